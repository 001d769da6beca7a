"""What a step's pod gets on a cluster: credentials out of a Secret, a user, the right to no more.

In: a pipeline. Out: the same with what `needs` says of each step, and for every step a user and a
Secret; on one machine none of it is read. A secret is named here and never a parameter: parameters
are public.

Kubeflow sets the rest of Pod Security `restricted` itself: no escalation, no capabilities, seccomp.
For a read-only root its 2.17 has no field; our cluster's workflow controller sets it:
docs/decisions/0081-read-only-roots-of-steps.md.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipelines.needs import STEPS, Needs
from weathervane.install.secrets import CLIENT_KEYS, LOG_IN_KEYS, PIPELINE

if TYPE_CHECKING:
    from kfp.dsl.base_component import BaseComponent

USER = 65532  # the image's
# Between tries: 30 seconds, then a minute.
_PAUSE = {"backoffDuration": "30s", "backoffFactor": 2.0, "backoffMaxDuration": "600s"}


def place(pipeline: "BaseComponent", image: str) -> None:
    """Write image, needs, user and Secret into a pipeline that is yet to be compiled.

    Raises:
        KeyError: naming a step that `needs` does not know.
    """
    from google.protobuf import json_format

    spec = pipeline.pipeline_spec
    executors = spec.deployment_spec["executors"]
    every: dict[str, object] = {}
    for label in sorted(executors):
        needs = STEPS[_step(label)]
        executors[label]["container"].update({"image": image, "resources": _resources(needs)})
        every[label] = {
            # Text, as protobuf writes 64-bit numbers into JSON.
            "securityContext": {
                "runAsUser": str(USER),
                "runAsGroup": str(USER),
                "runAsNonRoot": True,
            },
            "secretAsEnv": [
                _environment(CLIENT_KEYS),
                # An MLflow of somebody else's may ask for no log-in.
                {**_environment(LOG_IN_KEYS), "optional": True},
            ],
            "activeDeadlineSeconds": str(needs.seconds),
        }
    for dag in (spec.root.dag, *(one.dag for one in spec.components.values())):
        for task in dag.tasks.values():
            label = spec.components[task.component_ref.name].executor_label
            if label and (retries := STEPS[_step(label)].retries):
                json_format.ParseDict({"maxRetryCount": retries, **_PAUSE}, task.retry_policy)
    json_format.ParseDict(
        {"platforms": {"kubernetes": {"deploymentSpec": {"executors": every}}}},
        pipeline.platform_spec,
    )


def _step(label: str) -> str:
    """The step that an executor is for; kfp writes exec-smoke-test for smoke_test."""
    return label.removeprefix("exec-").replace("-", "_")


def _resources(needs: Needs) -> dict[str, Any]:
    # The names of PipelineContainerSpec.ResourceSpec.
    return {
        "resourceCpuRequest": needs.cpu[0],
        "resourceCpuLimit": needs.cpu[1],
        "resourceMemoryRequest": needs.memory[0],
        "resourceMemoryLimit": needs.memory[1],
    }


def _environment(keys: Iterable[str]) -> dict[str, object]:
    return {
        "secretName": PIPELINE,
        "keyToEnv": [{"secretKey": key, "envVar": key} for key in keys],
    }
