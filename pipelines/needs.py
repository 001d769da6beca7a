"""What each step needs on a cluster: processor, memory, time, and whether it is tried again.

In: a step's name. Out: its `Needs`; compiling fails for a step that has none here. One machine
reads none of this.

A step is tried again by this table only when a second try can end otherwise than the first: those
that bring results to store and MLflow, where what is there already stays, and the one that takes
back what a release left. A step that judges, refuses or computes would do the same once more.
Beyond this table Kubeflow's own settings of its workflow controller (2.17:
manifests/kustomize/third-party/argo/base/workflow-controller-configmap-patch.yaml) start any step
twice more whose pod was lost, and none that failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MINUTES = 60
HOURS = 3600


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Of one step's container."""

    cpu: tuple[str, str]  # requested and at most, as Kubernetes writes quantities
    memory: tuple[str, str]
    seconds: int  # of one try
    retries: int = 0


_ASKS = {"cpu": ("100m", "1"), "memory": ("256Mi", "1Gi")}  # asks servers, computes nothing
_LOOKS = {"cpu": ("500m", "2"), "memory": ("512Mi", "4Gi")}  # goes through pictures
_TENSORFLOW = {"cpu": ("1", "4"), "memory": ("2Gi", "8Gi")}

STEPS: Mapping[str, Needs] = MappingProxyType(
    {
        "validate": Needs(**_LOOKS, seconds=2 * HOURS),
        "look": Needs(**_LOOKS, seconds=2 * HOURS),
        "judge": Needs(**_LOOKS, seconds=HOURS),
        "preprocess": Needs(**_LOOKS, seconds=2 * HOURS),
        "train": Needs(**_TENSORFLOW, seconds=12 * HOURS),
        "evaluate": Needs(**_TENSORFLOW, seconds=4 * HOURS),
        "gate": Needs(cpu=("100m", "1"), memory=("512Mi", "2Gi"), seconds=20 * MINUTES),
        "package": Needs(**_TENSORFLOW, seconds=HOURS),
        "upload": Needs(**_ASKS, seconds=HOURS, retries=2),
        "register": Needs(**_ASKS, seconds=20 * MINUTES, retries=2),
        "resolve": Needs(**_ASKS, seconds=20 * MINUTES),
        "verify": Needs(**_ASKS, seconds=HOURS),
        "smoke_test": Needs(**_LOOKS, seconds=20 * MINUTES),
        # Follows the rollout's Job, which goes on by itself and ends by its plan's patience.
        "roll_out": Needs(**_ASKS, seconds=24 * HOURS),
        "rolled_back": Needs(**_ASKS, seconds=20 * MINUTES),
        "take_back": Needs(**_ASKS, seconds=HOURS, retries=2),
    }
)
