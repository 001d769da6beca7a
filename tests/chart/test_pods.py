"""Every pod that we control fits Pod Security `restricted` and cannot write to its image."""

from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.chart import restricted
from tests.chart.rendering import SCENARIOS, kinds, named, objects, pods
from weathervane.rollout.kserve.job import Driver, rollout_job
from weathervane.rollout.plan import Plan

SOUND: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "one",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_pod_of_the_chart_is_restricted(scenario: str):
    found = {where: restricted.faults(pod) for where, pod in pods(objects(scenario))}

    assert found
    assert {where: said for where, said in found.items() if said} == {}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_container_says_what_it_needs_and_what_it_may_take(scenario: str):
    for where, pod in pods(objects(scenario)):
        for container in restricted.containers(pod):
            for kind in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][kind]), where


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_pod_that_serves_is_restricted(scenario: str):
    found = objects(scenario)
    (runtime,) = kinds(found, "ServingRuntime")
    template = named(found, "ConfigMap", "weathervane-template")["data"]["template.yaml"]
    predictor = yaml.safe_load(template)["spec"]["predictor"]
    pod = {
        "securityContext": predictor["securityContext"],
        "containers": runtime["spec"]["containers"],
        # As KServe adds it where manifests/ patched its ClusterStorageContainer.
        "initContainers": [storage_initializer()],
    }

    assert restricted.faults(pod) == []


def storage_initializer() -> dict[str, Any]:
    from tests.chart.rendering import ROOT

    patch = yaml.safe_load((ROOT / "manifests/kserve/storage-container.yaml").read_text())
    return {"name": "storage-initializer", **patch["spec"]["container"]}


def test_the_job_of_a_rollout_is_restricted():
    job = rollout_job("weather", "a" * 64, Plan(), Driver(image="i"), who="w")

    assert restricted.faults(job["spec"]["template"]["spec"]) == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("hostNetwork",), True, "hostNetwork"),
        (("securityContext", "runAsNonRoot"), None, "runAsNonRoot"),
        (("securityContext", "runAsUser"), 0, "user 0"),
        (("securityContext", "seccompProfile"), {"type": "Unconfined"}, "seccomp"),
        (("securityContext", "sysctls"), [{"name": "x"}], "sysctls"),
        (("containers", 0, "securityContext", "privileged"), True, "privileged"),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), None, "Escalation"),
        (("containers", 0, "securityContext", "capabilities"), {}, "drop ALL"),
        (("containers", 0, "securityContext", "capabilities", "add"), ["SYS_TIME"], "adds"),
        (("containers", 0, "securityContext", "readOnlyRootFilesystem"), False, "readOnly"),
        (("containers", 0, "securityContext", "procMount"), "Unmasked", "procMount"),
        (("containers", 0, "ports"), [{"hostPort": 80}], "port of the node"),
        (("volumes", 0), {"name": "host", "hostPath": {"path": "/"}}, "hostPath"),
    ],
)
def test_the_check_sees_each_fault(path: tuple, value: object, said: str):
    pod = deepcopy(SOUND)
    node: Any = pod
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value

    assert restricted.faults(SOUND) == []
    assert any(said in fault for fault in restricted.faults(pod))
