"""What a step's pod gets on a cluster: credentials out of a Secret, a user, the right to no more.

In: a compiled pipeline's platform configuration and the names of its executors. Out: the same for
every step; on one machine it is not read. A secret is named here and never a parameter: parameters
are public.

Kubeflow sets the rest of Pod Security `restricted` itself: no escalation, no capabilities, seccomp.
Of a read-only root its 2.17 knows nothing, and its own launcher writes there.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from weathervane.install.secrets import CLIENT_KEYS, LOG_IN_KEYS, PIPELINE

if TYPE_CHECKING:
    from kfp.pipeline_spec.pipeline_spec_pb2 import PlatformSpec

USER = 65532  # the image's


def place(platforms: "PlatformSpec", executors: Iterable[str]) -> None:
    """Write the configuration of every executor."""
    from google.protobuf import json_format

    # Text, as protobuf writes 64-bit numbers into JSON.
    user = {"runAsUser": str(USER), "runAsGroup": str(USER), "runAsNonRoot": True}
    every = {
        name: {
            "securityContext": user,
            "secretAsEnv": [
                _environment(CLIENT_KEYS),
                # An MLflow of somebody else's may ask for no log-in.
                {**_environment(LOG_IN_KEYS), "optional": True},
            ],
        }
        for name in sorted(executors)
    }
    json_format.ParseDict(
        {"platforms": {"kubernetes": {"deploymentSpec": {"executors": every}}}}, platforms
    )


def _environment(keys: Iterable[str]) -> dict[str, object]:
    return {
        "secretName": PIPELINE,
        "keyToEnv": [{"secretKey": key, "envVar": key} for key in keys],
    }
