"""Every pod that we control fits Pod Security `restricted` and cannot write to its image."""

import re
from copy import deepcopy
from inspect import signature
from typing import Any

import pytest
import yaml

from tests.chart import restricted
from tests.chart.rendering import ROOT, SCENARIOS, kinds, named, objects, pods
from weathervane.install.secrets import CLIENT_KEYS, LOG_IN_KEYS, PIPELINE
from weathervane.rollout.kserve.job import Driver, rollout_job
from weathervane.rollout.plan import Plan
from weathervane.training import commands

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

    pod = job["spec"]["template"]["spec"]
    assert restricted.faults(pod) == []
    (container,) = pod["containers"]
    for kind in ("requests", "limits"):
        assert {"cpu", "memory"} == set(container["resources"][kind])


def test_the_job_that_tunes_is_restricted_and_asks_for_what_there_is():
    job = yaml.safe_load((ROOT / "manifests" / "tune-job.yaml").read_text())
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    program, tune, _ = container["command"]
    options = {f"--{name.replace('_', '-')}" for name in signature(commands.tune).parameters}

    assert restricted.faults(pod) == []
    assert container["envFrom"] == [{"secretRef": {"name": PIPELINE}}]
    assert (program, tune) == ("weathervane", commands.tune.__name__)
    assert {one.partition("=")[0] for one in container["args"]} <= options


# A step's container as Kubeflow Pipelines 2.17 compiles it for Argo: argocompiler/container.go,
# addContainerExecutorTemplate, and security_context.go, applyUserContainerSecurityContext.
COMPILED: dict[str, Any] = {
    "name": "main",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "volumeMounts": [
        {"name": path.strip("/."), "mountPath": path}
        for path in ("/kfp-launcher", "/gcs", "/s3", "/minio", "/.local", "/.cache", "/.config")
    ]
    # Argo's own: workflow/controller/workflowpod.go, volumeMountVarArgo.
    + [{"name": "var-run-argo", "mountPath": "/var/run/argo"}],
}
TMP = "/tmp"  # noqa: S108  of a pod
# Where a step's container writes, and who writes there.
WRITTEN = {
    "/var/run/argo/ctr/main": "Argo's emissary: exit code, outputs (cmd/argoexec)",
    f"{TMP}/kfp_outputs/output_metadata.json": "kfp's executor (component/launcher_v2.go)",
    f"{TMP}/kfp/outputs/Output": "kfp's executor: values of parameters",
    "/minio/bucket/v2/artifacts/data": "the launcher: artifacts (LocalPathForURI)",
    "/s3/bucket/v2/artifacts/data": "the launcher, where the store is S3",
    f"{TMP}/program/ephemeral_component.py": "the component's own shell: mktemp -d",
    f"{TMP}/ca-bundle-x.crt": "the launcher, with a certificate of yours",
    f"{TMP}/.keras": "libraries at home: the image's HOME is /tmp",
    f"{TMP}/pictures": "our steps' temporary folders",
    f"{TMP}/outputs/pod-spec-patch": "Kubeflow's driver, whose container is `main` as well",
}


def workflow_patch() -> dict[str, Any]:
    """What our cluster's workflow controller changes in every pod of a workflow."""
    file = yaml.safe_load((ROOT / "manifests/pipelines/workflow-defaults.yaml").read_text())
    defaults = yaml.safe_load(file["data"]["workflowDefaults"])
    return yaml.safe_load(defaults["spec"]["podSpecPatch"])


def patched(pod: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """As Argo patches it: strategic merge, which knows containers by name, mounts by path.

    workflow/util/util.go, ApplyPodSpecPatch: the workflow's patch, then the template's.
    """
    pod = deepcopy(pod)
    # A container that a pod does not have would come into being without an image.
    assert {one["name"] for one in patch["containers"]} == {
        one["name"] for one in pod["containers"]
    }
    assert set(patch) <= {"containers", "volumes"}
    for container, change in zip(pod["containers"], patch["containers"], strict=True):
        container.setdefault("securityContext", {}).update(change.get("securityContext", {}))
        container.setdefault("volumeMounts", []).extend(change.get("volumeMounts", ()))
    pod.setdefault("volumes", []).extend(patch.get("volumes", ()))
    return pod


@pytest.mark.parametrize("name", ["training", "release"])
def test_the_pods_of_pipeline_steps_are_restricted_and_cannot_write_to_their_image(name: str):
    spec, platform = yaml.safe_load_all((ROOT / f"pipelines/{name}.yaml").read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]

    assert set(executors) == set(spec["deploymentSpec"]["executors"])
    for executor in executors.values():
        ours = executor["securityContext"]
        step = {
            "containers": [
                {
                    "name": "main",
                    "securityContext": {
                        "runAsNonRoot": ours["runAsNonRoot"],
                        "runAsUser": int(ours["runAsUser"]),
                    },
                }
            ]
        }
        pod = patched(patched({"containers": [COMPILED]}, workflow_patch()), step)

        assert restricted.faults(pod) == []


@pytest.mark.parametrize("path", WRITTEN)
def test_what_a_step_writes_it_writes_to_a_volume(path: str):
    (container,) = patched({"containers": [COMPILED]}, workflow_patch())["containers"]
    mounts = [one["mountPath"] for one in container["volumeMounts"]]

    assert len(set(mounts)) == len(mounts)
    assert [one for one in mounts if path.startswith(f"{one}/")], WRITTEN[path]


def test_kubeflows_own_settings_of_workflows_stay():
    file = yaml.safe_load((ROOT / "manifests/pipelines/workflow-defaults.yaml").read_text())
    spec = yaml.safe_load(file["data"]["workflowDefaults"])["spec"]

    # manifests/kustomize/third-party/argo/base/workflow-controller-configmap-patch.yaml of 2.17.0
    assert spec["templateDefaults"] == {"retryStrategy": {"limit": "2", "retryPolicy": "OnError"}}
    assert set(spec["ttlStrategy"].values()) == {3600}
    assert set(spec) == {"ttlStrategy", "templateDefaults", "podSpecPatch"}


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
        (("containers", 0, "livenessProbe"), {"httpGet": {"host": "10.0.0.1"}}, "another host"),
        (
            ("containers", 0, "securityContext", "appArmorProfile"),
            {"type": "Unconfined"},
            "AppArmor",
        ),
        (("securityContext", "appArmorProfile"), {"type": "Unconfined"}, "AppArmor"),
        (("securityContext", "seLinuxOptions"), {"type": "spc_t"}, "SELinux"),
        (("securityContext", "windowsOptions"), {"hostProcess": True}, "host process"),
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
