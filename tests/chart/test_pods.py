"""Every pod that we control fits Pod Security `restricted` and cannot write to its image."""

import re
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.chart import restricted
from tests.chart.rendering import ROOT, SCENARIOS, kinds, named, objects, pods
from weathervane.install.secrets import CLIENT_KEYS, LOG_IN_KEYS, PIPELINE
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
        # As KServe adds it where it was installed with our values.
        "initContainers": [storage_initializer()],
    }

    assert restricted.faults(pod) == []


def storage_initializer() -> dict[str, Any]:
    values = yaml.safe_load((ROOT / "manifests/kserve/values.yaml").read_text())
    context = values["kserve"]["storage"]["containerSecurityContext"]
    return {"name": "storage-initializer", "securityContext": context}


def test_the_job_of_a_rollout_is_restricted():
    job = rollout_job("weather", "a" * 64, Plan(), Driver(image="i"), who="w", rollout="r")

    assert restricted.faults(job["spec"]["template"]["spec"]) == []


@pytest.mark.parametrize("name", ["training", "release"])
def test_the_pods_of_pipeline_steps_are_restricted_as_far_as_kubeflow_lets_us(name: str):
    spec, platform = yaml.safe_load_all((ROOT / f"pipelines/{name}.yaml").read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]

    assert set(executors) == set(spec["deploymentSpec"]["executors"])
    for executor in executors.values():
        ours = executor["securityContext"]
        pod = {
            "containers": [
                {
                    "name": "main",
                    "securityContext": {
                        # What Kubeflow Pipelines 2.17 sets itself (kfp-kubernetes,
                        # set_security_context).
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                        "runAsNonRoot": ours["runAsNonRoot"],
                        "runAsUser": int(ours["runAsUser"]),
                    },
                }
            ]
        }

        # It has no field for a read-only root, and its launcher writes to it.
        assert restricted.faults(pod) == ["main: readOnlyRootFilesystem is not true"]


@pytest.mark.parametrize("name", ["training", "release"])
def test_steps_get_their_secrets_by_name_and_none_by_parameter(name: str):
    spec, platform = yaml.safe_load_all((ROOT / f"pipelines/{name}.yaml").read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    parameters = spec["root"]["inputDefinitions"]["parameters"]

    assert not [one for one in parameters if re.search("key|secret|password|token", one)]
    for executor in executors.values():
        assert {one["secretName"] for one in executor["secretAsEnv"]} == {PIPELINE}
        keys = [pair["secretKey"] for one in executor["secretAsEnv"] for pair in one["keyToEnv"]]
        assert sorted(keys) == sorted((*CLIENT_KEYS, *LOG_IN_KEYS))


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
