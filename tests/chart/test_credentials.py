"""The Job that makes Secrets, over HTTP against an API server that knows its role."""

import json
import re
from collections.abc import Iterator

import pytest
from kubernetes.client import Configuration

from tests.chart.rendering import NAMESPACE, SCENARIOS, kinds, named, objects, pods, text
from tests.chart.test_rights import rights
from tests.platform.cluster import Cluster
from weathervane.errors import DeploymentError, UsageError
from weathervane.install.credentials import ensure
from weathervane.install.policies import ROLES
from weathervane.install.secrets import USERS, decoded, encoded, wanted
from weathervane.install.site import Site, read_site
from weathervane.rollout.kserve.api import Api

SECRETS = "v1/secrets"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        running.api.roles = {
            "install" if role["metadata"]["namespace"] == NAMESPACE else "install@kubeflow": rights(
                role
            )
            for role in kinds(objects("kind"), "Role")
            if role["metadata"]["name"] == "weathervane-install"
        }
        yield running


def connect(cluster: Cluster):
    def to(namespace: str) -> Api:
        configuration = Configuration()
        configuration.host = cluster.api.address
        configuration.api_key = {"authorization": "Bearer install"}
        return Api(configuration, namespace)

    return to


def site(scenario: str) -> Site:
    job = named(objects(scenario), "Job", "weathervane-credentials")
    return read_site(job["spec"]["template"]["spec"]["containers"][0]["args"][1])


def there(cluster: Cluster, namespace: str) -> dict[str, dict]:
    every = cluster.objects.of_kind(SECRETS, namespace)
    return {one["metadata"]["name"]: one for one in every}


def test_secrets_are_made_once_in_both_namespaces(cluster: Cluster):
    said: list[str] = []
    ensure(site("kind"), connect(cluster), said.append)
    first = there(cluster, NAMESPACE), there(cluster, "kubeflow")
    assert {one.rpartition(": ")[2] for one in said} == {"made"}

    said.clear()
    ensure(site("kind"), connect(cluster), said.append)

    assert (there(cluster, NAMESPACE), there(cluster, "kubeflow")) == first
    assert {one.rpartition(": ")[2] for one in said} == {"as it was"}
    assert set(first[1]) == {"weathervane-pipeline"}


# Secrets that are yours to make, by scenario, and one of ours with a token that a webhook names.
_TOKEN = {"weathervane-settings": ["WEBHOOK_TOKEN"]}
_LOGINS = [f"{role}-{part}" for role in USERS for part in ("username", "password")]


def keys_of(*roles: str) -> list[str]:
    return [f"{role}-{part}-key" for role in roles for part in ("access", "secret")]


YOURS = {
    "external": {
        "my-store-keys": keys_of("predictor", "rollout", "pipeline"),
        "my-mlflow-logins": _LOGINS,
        **_TOKEN,
    },
    "mlflow": {"my-mlflow-logins": _LOGINS, **_TOKEN},
    "s3": {"my-store-keys": keys_of(*ROLES), **_TOKEN},
    "database": {
        "mlflow-database": ["uri", "auth-uri"],
        "studies-database": ["uri"],
        **_TOKEN,
    },
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_pod_names_only_keys_of_secrets_that_are_made(scenario: str):
    """Or it would wait for ever: its container cannot be made."""
    found = objects(scenario)
    given = dict(YOURS.get(scenario, {}))
    yours = {(NAMESPACE, name): dict.fromkeys(keys, "x") for name, keys in given.items()}
    made = {one.name: set(one.values) for one in wanted(site(scenario), yours)}

    named_keys = {
        (reference["name"], reference["key"])
        for _, pod in pods(found)
        for container in pod["containers"]
        for one in container.get("env") or []
        if (reference := one.get("valueFrom", {}).get("secretKeyRef"))
    }
    named_keys |= {
        (volume["secret"]["secretName"], item["key"])
        for _, pod in pods(found)
        for volume in pod.get("volumes") or []
        if "secret" in volume
        for item in volume["secret"]["items"]
    }
    assert [(name, key) for name, key in named_keys if key not in made.get(name, ())] == []


@pytest.mark.parametrize("scenario", YOURS)
def test_what_you_put_into_secrets_goes_to_secrets_and_nowhere_else(
    cluster: Cluster, scenario: str
):
    (role,) = (
        one
        for one in kinds(objects(scenario), "Role")
        if one["metadata"]["name"] == "weathervane-install"
    )
    cluster.api.roles = {"install": rights(role)}
    planted: dict[str, str] = {}
    for name, keys in YOURS[scenario].items():
        values = {key: f"canary-{name}-{key}" for key in keys}
        planted |= {f"{name} {key}": value for key, value in values.items()}
        body = {"metadata": {"name": name}, "data": encoded(values)}
        cluster.objects.create((SECRETS, NAMESPACE, name), body)
    said: list[str] = []

    ensure(site(scenario), connect(cluster), said.append)

    every = {name: decoded(one["data"]) for name, one in there(cluster, NAMESPACE).items()}
    ours = json.dumps([one for name, one in every.items() if name.startswith("weathervane-")])
    assert not [value for value in planted.values() if value not in ours]
    # And what the Job made itself.
    made = set(re.findall(r'"([0-9a-f]{40})"', ours))
    others = [key for key in cluster.objects.every_key() if key[0] != SECRETS]
    places = [text(scenario), *said, json.dumps([cluster.objects.get(key) for key in others])]
    hidden = {*planted.values(), *made}
    assert not [value for value in hidden if any(value in place for place in places)]


def test_a_secret_of_ours_that_lost_a_key_gets_it_back_and_keeps_the_rest(cluster: Cluster):
    ensure(site("default"), connect(cluster), lambda line: None)
    before = there(cluster, NAMESPACE)["weathervane-settings"]
    cut = {key: value for key, value in before["data"].items() if "PASSWORD" not in key}
    key = (SECRETS, NAMESPACE, "weathervane-settings")
    cluster.objects.replace(key, {**before, "data": cut}, "kubectl-edit")

    ensure(site("default"), connect(cluster), lambda line: None)

    after = there(cluster, NAMESPACE)["weathervane-settings"]["data"]
    assert set(after) == set(before["data"])
    assert {name: after[name] for name in cut} == cut


def test_a_secret_that_should_be_yours_is_named_when_it_is_absent(cluster: Cluster):
    with pytest.raises(UsageError, match="no Secret my-store-keys in namespace models"):
        ensure(site("external"), connect(cluster), lambda line: None)

    assert there(cluster, NAMESPACE) == {}


def test_an_account_without_the_right_is_told_so_in_the_servers_words(cluster: Cluster):
    cluster.api.roles = {"install": {("get", "secrets")}}

    with pytest.raises(DeploymentError, match="cannot create resource"):
        ensure(site("default"), connect(cluster), lambda line: None)
