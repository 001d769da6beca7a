"""Where a command finds the service that it is about: on this machine, or on a cluster.

In: what a person typed. Out: a service of either. A namespace or a context says cluster, as it does
to kubectl; an environment alone never does, so nobody reaches a cluster without having named it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weathervane.rollout.kserve.service import ClusterService
    from weathervane.rollout.service import LocalService


def find_service(
    name: str, *, namespace: str = "", context: str = "", template: Path | None = None
) -> "LocalService | ClusterService":
    """The service of that name.

    Raises:
        UsageError: when there is no such cluster.
        PlatformError: when no platform runs on this machine.
    """
    if namespace or context:
        from weathervane.rollout.kserve.service import open_cluster_service

        return open_cluster_service(name, template, namespace=namespace, context=context)
    from weathervane.rollout import service

    return service.open_service(name)
