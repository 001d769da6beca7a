"""The doctor on a cluster: the faults of `tests.unit.doctor.faults`, through the real client."""

from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import kube_config
from typer.testing import CliRunner

from tests.kserve.node import kubeconfig
from tests.platform import kinds
from tests.platform.cluster import NAMESPACE, Cluster
from tests.unit.doctor.faults import FAULTS, Objects, objects
from weathervane.cli import app
from weathervane.rollout.kserve.rights import (
    DRIVER,
    DRIVER_RIGHTS,
    DRIVER_RIGHTS_IN_KSERVE,
    READER_RIGHTS,
    STARTER_RIGHTS,
)

pytestmark = pytest.mark.process

KINDS = {
    "InferenceService": kinds.ISVC,
    "ServiceAccount": kinds.SERVICE_ACCOUNT,
    "Secret": kinds.SECRET,
    "ConfigMap": kinds.CONFIGMAP,
    "Role": kinds.ROLE,
    "PrometheusRule": kinds.PROMETHEUS_RULE,
    "Deployment": kinds.DEPLOYMENT,
}
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{DRIVER}"
# What it takes to look at everything.
LOOKER = {
    *(
        ("list", call.rpartition("/")[2] + group)
        for call, group in (
            (kinds.ISVC, ".serving.kserve.io"),
            (kinds.ROLE, ".rbac.authorization.k8s.io"),
            (kinds.PROMETHEUS_RULE, ".monitoring.coreos.com"),
            (kinds.SERVICE_ACCOUNT, ""),
            (kinds.SECRET, ""),
            (kinds.CONFIGMAP, ""),
        )
    ),
    ("create", "localsubjectaccessreviews.authorization.k8s.io"),
}
LOOKER_IN_KSERVE = {
    ("get", "configmaps"),
    ("get", "deployments.apps"),
    ("create", "localsubjectaccessreviews.authorization.k8s.io"),
}
# The chart's Roles lie in the namespace of the service; KServe's is not looked into for them.
LIVE_FAULTS = [fault for fault in FAULTS if "in KServe's namespace" not in fault]


@pytest.fixture
def roles(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[tuple[str, str]]]:
    """Who may do what: somebody who may look at everything and start, and the Job's account."""
    file = kubeconfig(cluster, tmp_path / "kubeconfig", "looker")
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    cluster.api.roles = {
        "looker": LOOKER | STARTER_RIGHTS | READER_RIGHTS,
        "looker@kserve": LOOKER_IN_KSERVE,
        ACCOUNT: set(DRIVER_RIGHTS),
        f"{ACCOUNT}@kserve": set(DRIVER_RIGHTS_IN_KSERVE),
    }
    return cluster.api.roles


def lay_down(cluster: Cluster, every: Objects) -> None:
    """Make objects, also such as an admission webhook of a newer KServe would refuse."""
    cluster.paused.set()
    cluster.objects.webhooks.clear()
    for obj in every.values():
        at_home = obj["metadata"]["name"] not in (
            "inferenceservice-config",
            "kserve-controller-manager",
        )
        namespace = obj["metadata"].get("namespace", NAMESPACE if at_home else "kserve")
        key = (KINDS[obj["kind"]], namespace, obj["metadata"]["name"])
        if cluster.objects.find(key):
            cluster.objects.replace(key, obj)
        else:
            cluster.objects.create(key, obj)


def look(*more: str) -> Any:
    return CliRunner().invoke(app, ["doctor", "--namespace", NAMESPACE, *more])


def test_sound_objects_have_no_findings_and_no_secret_is_read(cluster, roles):
    lay_down(cluster, objects())

    result = look()

    assert (result.exit_code, "nothing found" in result.output) == (0, True), result.output
    assert "not looked at" not in result.output
    secrets = [call for call in cluster.api.calls if call.resource == "secrets"]
    assert ["PartialObjectMetadata" in call.accept for call in secrets] == [True]
    assert not any(call.writes for call in cluster.api.calls if "reviews" not in call.resource)
    # Each right is used, and no other is there to be.
    assert cluster.api.used["looker"] == LOOKER
    assert cluster.api.used["looker@kserve"] == LOOKER_IN_KSERVE


@pytest.mark.parametrize("fault", LIVE_FAULTS)
def test_each_fault_is_found_where_it_lives(cluster, roles, fault):
    break_it, said = FAULTS[fault]
    every = objects()
    break_it(every)
    lay_down(cluster, every)

    result = look()

    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "cure: " in result.output


def test_rights_that_the_cluster_would_not_grant_are_named(cluster, roles):
    lay_down(cluster, objects())
    roles[ACCOUNT].remove(("patch", "inferenceservices.serving.kserve.io"))
    roles[f"{ACCOUNT}@kserve"].clear()
    roles["looker"] = roles["looker"] - {("create", "jobs.batch")}

    result = look()

    assert result.exit_code == 2
    for said in (
        "you may not create jobs.batch",
        "it may not patch inferenceservices.serving.kserve.io",
        "namespace kserve: ServiceAccount weathervane-rollout",
    ):
        assert said in result.output


def test_what_may_not_be_looked_at_is_said_and_the_rest_is_looked_at(cluster, roles):
    every = objects()
    FAULTS["no seccomp profile"][0](every)
    lay_down(cluster, every)
    roles["looker"] = roles["looker"] - {
        ("list", "roles.rbac.authorization.k8s.io"),
        ("create", "localsubjectaccessreviews.authorization.k8s.io"),
    }

    result = look()

    assert "seccomp" in result.output
    assert "not looked at: roles of namespace models" in result.output
    assert "not looked at: rights" in result.output
