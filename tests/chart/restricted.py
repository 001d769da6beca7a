"""A pod against Pod Security `restricted`, field by field, and what we ask for besides.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator, Mapping
from typing import Any

# Volumes that `restricted` allows.
_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret"),
}
_SECCOMP = _APPARMOR = ("RuntimeDefault", "Localhost")


def faults(pod: Mapping[str, Any]) -> list[str]:
    """What `restricted` refuses about a pod, and every container that could write to its image."""
    return [*_of_the_pod(pod), *(fault for one in containers(pod) for fault in _of_one(pod, one))]


def containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every container of a pod."""
    names = ("initContainers", "containers", "ephemeralContainers")
    return [one for name in names for one in pod.get(name) or []]


def _of_the_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{name} is set"
    yield from _confinement("the pod", pod.get("securityContext") or {})
    if (pod.get("securityContext") or {}).get("sysctls"):
        yield "sysctls are set"
    for volume in pod.get("volumes") or []:
        kind = next(key for key in volume if key != "name")
        if kind not in _VOLUMES:
            yield f"volume {volume['name']} is a {kind}"


def _of_one(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    name = container["name"]
    above = pod.get("securityContext") or {}
    own = container.get("securityContext") or {}

    def effective(field: str) -> Any:
        return own[field] if field in own else above.get(field)

    if own.get("privileged"):
        yield f"{name} is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation is not false"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"{name} does not drop ALL capabilities"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{name} adds capabilities"
    if effective("runAsNonRoot") is not True:
        yield f"{name}: runAsNonRoot is not true"
    if effective("runAsUser") == 0:
        yield f"{name} runs as user 0"
    if (effective("seccompProfile") or {}).get("type") not in _SECCOMP:
        yield f"{name} sets no seccomp profile"
    if (own.get("procMount") or "Default") != "Default":
        yield f"{name} changes procMount"
    yield from _confinement(name, own)
    yield from _asked(container)
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"{name} takes a port of the node"
    if own.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: readOnlyRootFilesystem is not true"


def _confinement(name: str, context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("seLinuxOptions"):
        yield f"{name} chooses SELinux options"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{name} is a host process"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in _APPARMOR:
        yield f"{name} is not confined by AppArmor"


def _asked(container: Mapping[str, Any]) -> Iterator[str]:
    """Since 1.34 a node asks nobody but the pod itself."""
    hooks = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
    hooks += (container.get("lifecycle") or {}).values()
    for way in (
        one[kind] for one in hooks if one for kind in ("httpGet", "tcpSocket") if kind in one
    ):
        if way.get("host"):
            yield f"{container['name']} is asked at another host"
