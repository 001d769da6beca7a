"""KServe as it is installed on a cluster: where it lies, and which version it is. Pure."""

import re
from collections.abc import Mapping
from typing import Any

KSERVE = "kserve"  # the namespace that it is installed in
CONFIG = "inferenceservice-config"
CONTROLLER = "kserve-controller-manager"
# 0.20.0 has the field and does not act on it; the route's weights came after it (kserve#5912).
SPLITS_SINCE = (0, 21)


def controller_version(deployment: Mapping[str, Any] | None) -> tuple[int, ...] | None:
    """Major and minor version of KServe's controller, by the tag of its image."""
    for container in _containers(deployment):
        image = str(container.get("image") or "").partition("@")[0]
        if match := re.search(r":v?(\d+)\.(\d+)(?:\.\d+)?(?:[-+].*)?$", image):
            return tuple(map(int, match.groups()))
    return None


def _containers(deployment: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if deployment is None:
        return []
    containers = deployment["spec"]["template"]["spec"].get("containers") or []
    return sorted(containers, key=lambda container: container.get("name") != "manager")
