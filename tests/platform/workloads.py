"""Pods as their owners want them: made, ready after a while, removed.

In: for each group of pods (a Knative revision, a Deployment) what it runs and how many. Out: pod
objects, and servers that answer.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.platform.kinds import POD
from tests.platform.objects import Objects
from tests.platform.pods import Behaviour, PodServer

SOURCE_URI = "internal.serving.kserve.io/storage-initializer-sourceuri"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pods of one revision."""

    name: str
    isvc: str
    labels: Mapping[str, str]
    predictor: Mapping[str, Any]  # what their template is made of
    replicas: int

    @property
    def uri(self) -> str:
        return str(self.predictor.get("model", {}).get("storageUri", ""))

    @property
    def template(self) -> str:
        kept = {
            name: value
            for name, value in self.predictor.items()
            if name not in ("minReplicas", "maxReplicas", "canaryTrafficPercent", "name")
        }
        return json.dumps(kept, sort_keys=True)


@dataclass
class Pod:
    name: str
    group: Group
    server: PodServer
    made_at: float
    crashed: bool = False

    @property
    def ready(self) -> bool:
        behaviour = self.server.behaviour
        old = time.monotonic() - self.made_at >= behaviour.ready_after_seconds
        return old and not self.crashed and behaviour.fails_to_load is None

    @property
    def complaint(self) -> str:
        return self.server.behaviour.fails_to_load or ("OOMKilled" if self.crashed else "")


class Workloads:
    """``behaviours`` are by package digest."""

    def __init__(self, objects: Objects, behaviours: Mapping[str, Behaviour]) -> None:
        self._objects = objects
        self._behaviours = behaviours
        self._pods: dict[str, Pod] = {}

    def settle(self, namespace: str, isvc: str, groups: Mapping[str, Group]) -> None:
        """Make and remove pods until each group has what it wants."""
        for group in groups.values():
            mine = [pod for pod in self.of(group.name) if pod.group.template == group.template]
            for _ in range(group.replicas - len(mine)):
                self._start(namespace, group)
            for pod in mine[group.replicas :]:
                self._stop(namespace, pod)
            # A rolling update takes old pods away when new ones are ready.
            if sum(pod.ready for pod in mine) >= group.replicas:
                for pod in self.of(group.name):
                    if pod.group.template != group.template:
                        self._stop(namespace, pod)
        for pod in list(self._pods.values()):
            if pod.group.isvc == isvc and pod.group.name not in groups:
                self._stop(namespace, pod)
        for pod in self._pods.values():
            if pod.group.isvc == isvc:
                self._objects.set_status((POD, namespace, pod.name), _status(pod))

    def of(self, group: str) -> list[Pod]:
        return [pod for pod in list(self._pods.values()) if pod.group.name == group]

    def each(self, group: str, change: Callable[[Pod], None]) -> None:
        for pod in self.of(group):
            change(pod)

    def available(self, group: str) -> list[Pod]:
        return [pod for pod in self.of(group) if pod.ready]

    def taken_by(self, digest: str) -> int:
        """Requests that the pods of a package have answered."""
        pods = list(self._pods.values())
        return sum(pod.server.taken for pod in pods if pod.group.uri.endswith(digest))

    def close(self) -> None:
        for pod in self._pods.values():
            pod.server.close()
        self._pods.clear()

    def _start(self, namespace: str, group: Group) -> None:
        digest = group.uri.rpartition("/")[2]
        server = PodServer(
            group.isvc, group.name, digest, self._behaviours.get(digest, Behaviour())
        )
        pod = Pod(f"{group.name}-{uuid4().hex[:6]}", group, server, time.monotonic())
        self._pods[pod.name] = pod
        self._objects.create(
            (POD, namespace, pod.name),
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "labels": {"serving.kserve.io/inferenceservice": group.isvc, **group.labels},
                    "annotations": {SOURCE_URI: group.uri},
                },
                "spec": {
                    "containers": [
                        {
                            "name": "kserve-container",
                            "ports": [{"containerPort": server.port, "name": "user-port"}],
                        },
                        {"name": "queue-proxy", "ports": [{"containerPort": 8012}]},
                    ]
                },
                "status": {"phase": "Pending"},
            },
        )

    def _stop(self, namespace: str, pod: Pod) -> None:
        del self._pods[pod.name]
        self._objects.delete((POD, namespace, pod.name))
        pod.server.close()


def _status(pod: Pod) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "kserve-container", "ready": pod.ready}
    if pod.complaint:
        container["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
        container["lastState"] = {
            "terminated": {"reason": "Error", "exitCode": 1, "message": pod.complaint}
        }
    return {
        "phase": "Running",
        "podIP": "127.0.0.1",
        "conditions": [{"type": "Ready", "status": "True" if pod.ready else "False"}],
        "containerStatuses": [container],
    }
