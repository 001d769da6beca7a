"""The whole platform: API server, controllers, pods, and clients that send requests.

In: how packages behave, which mode is the default, what is switched on. Out: an address for the
`kubernetes` client, and requests that go where the routes send them.
"""

import json
import random
import threading
from collections.abc import Mapping
from typing import Any

from tests.platform.admission import admit
from tests.platform.kinds import CONFIGMAP, DEPLOYMENT, ISVC
from tests.platform.knative import KnativeController
from tests.platform.objects import Object, Objects
from tests.platform.pods import Behaviour
from tests.platform.server import ApiServer
from tests.platform.standard import StandardController
from tests.platform.workloads import Workloads

NAMESPACE = "models"


class Cluster:
    """Use as a context manager. ``behaviours`` are by package digest."""

    def __init__(
        self,
        *,
        behaviours: Mapping[str, Behaviour] | None = None,
        version: str = "v0.21.0",
        gateway_api: bool = True,
        default_mode: str = "Knative",
    ) -> None:
        self.objects = Objects()
        self.objects.webhooks[ISVC] = admit
        self.behaviours = dict(behaviours or {})
        self.workloads = Workloads(self.objects, self.behaviours)
        self.knative = KnativeController(self.objects, self.workloads)
        self.standard = StandardController(
            self.objects, self.workloads, gateway_api, splits=version >= "v0.21"
        )
        self.paused = threading.Event()  # the controllers, not the API server
        self.api = ApiServer(self.objects, home=NAMESPACE)
        self.trouble: list[BaseException] = []
        self._default_mode = default_mode
        self._chance = random.Random(1)
        self._seen: dict[str, Object] = {}
        self._ended = threading.Event()
        self._lock = threading.RLock()
        self._install(version, gateway_api)
        self._thread = threading.Thread(target=self._control, daemon=True)

    def __enter__(self) -> "Cluster":
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._ended.set()
        self._thread.join()
        self.api.close()
        self.workloads.close()
        if self.trouble:
            raise self.trouble[0]

    def send(self, name: str, requests: int, namespace: str = NAMESPACE) -> int:
        """Let clients send requests through the gateway; how many were answered well."""
        isvc = self.objects.find((ISVC, namespace, name))
        if isvc is None:
            return 0
        with self._lock:
            split = self._controller(isvc).split(isvc)
            if not split:
                return 0
            chosen = self._chance.choices(
                [revision for revision, _ in split], [share for _, share in split], k=requests
            )
            answered = 0
            for revision in dict.fromkeys(chosen):
                pods = self.workloads.available(revision)
                share = chosen.count(revision)
                for number, pod in enumerate(pods):
                    part = share // len(pods) + (number < share % len(pods))
                    answered += pod.server.take(part)
            return answered

    def isvc(self, name: str, namespace: str = NAMESPACE) -> Object:
        return self.objects.get((ISVC, namespace, name))

    def split(self, name: str) -> list[tuple[str, int]]:
        isvc = self.isvc(name)
        return self._controller(isvc).split(isvc)

    def edit(self, name: str, *path: str, to: Any, manager: str = "kubectl-edit") -> None:
        """Somebody else changes one field; None takes it away."""
        isvc = self.isvc(name)
        node = isvc
        for part in path[:-1]:
            node = node.setdefault(part, {})
        if to is None:
            node.pop(path[-1], None)
        else:
            node[path[-1]] = to
        self.objects.replace((ISVC, NAMESPACE, name), isvc, manager)

    def _install(self, version: str, gateway_api: bool) -> None:
        # config/configmap/inferenceservice.yaml and config/manager/manager.yaml of KServe.
        self.objects.create(
            (CONFIGMAP, "kserve", "inferenceservice-config"),
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "data": {
                    "ingress": json.dumps({"enableGatewayApi": gateway_api}),
                    "deploy": json.dumps({"defaultDeploymentMode": self._default_mode}),
                },
            },
        )
        image = f"kserve/kserve-controller:{version}@sha256:{'0' * 64}"
        self.objects.create(
            (DEPLOYMENT, "kserve", "kserve-controller-manager"),
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "spec": {
                    "template": {"spec": {"containers": [{"name": "manager", "image": image}]}}
                },
            },
        )

    def _control(self) -> None:
        """Reconcile when something has changed, and now and then, since pods get ready in time."""
        seen = -1
        try:
            while not self._ended.is_set():
                with self.objects.changed:
                    if self.objects.version == seen:
                        self.objects.changed.wait(0.01)
                    seen = self.objects.version
                if self.paused.is_set():
                    continue
                with self._lock:
                    isvcs = self.objects.of_kind(ISVC)
                    self._collect_garbage(isvcs)
                    for isvc in isvcs:
                        self._seen[isvc["metadata"]["uid"]] = isvc
                        self._controller(isvc).reconcile(isvc)
        except BaseException as error:
            self.trouble.append(error)
            raise

    def _controller(self, isvc: Object) -> KnativeController | StandardController:
        """KServe inferenceservice/utils/utils.go, GetDeploymentMode: annotation, then default."""
        mode = (
            isvc["metadata"]
            .get("annotations", {})
            .get("serving.kserve.io/deploymentMode", self._default_mode)
        )
        return self.standard if mode in ("Standard", "RawDeployment") else self.knative

    def _collect_garbage(self, isvcs: list[Object]) -> None:
        """What a deleted object owned goes with it.

        https://kubernetes.io/docs/concepts/architecture/garbage-collection/
        """
        live = {isvc["metadata"]["uid"] for isvc in isvcs}
        gone = {uid: isvc for uid, isvc in self._seen.items() if uid not in live}
        for uid, isvc in gone.items():
            del self._seen[uid]
            metadata = isvc["metadata"]
            self._controller(isvc).forget(metadata["namespace"], metadata["name"], uid)
            for key in self.objects.every_key():
                obj = self.objects.find(key) or {}
                owners = obj.get("metadata", {}).get("ownerReferences", [])
                if any(owner["uid"] == uid for owner in owners):
                    self.objects.delete(key)
