"""The Job that makes Secrets, over HTTP against an API server that knows its role."""

from collections.abc import Iterator

import pytest
from kubernetes.client import Configuration

from tests.chart.rendering import NAMESPACE, kinds, named, objects
from tests.chart.test_rights import rights
from tests.platform.cluster import Cluster
from weathervane.errors import DeploymentError, UsageError
from weathervane.install.credentials import ensure
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


def test_what_is_said_holds_nothing_of_what_is_hidden(cluster: Cluster):
    said: list[str] = []

    ensure(site("default"), connect(cluster), said.append)

    hidden = [value for one in there(cluster, NAMESPACE).values() for value in one["data"].values()]
    assert not [value for value in hidden if value in " ".join(said)]


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
