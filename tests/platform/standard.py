"""KServe's controller in Standard mode: Deployments behind a route of the Gateway API.

In: an InferenceService. Out: pods, its status, an HTTPRoute, and the split that it has.
"""

from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from typing import Any

from tests.platform.kinds import ISVC, ROUTE
from tests.platform.objects import Object, Objects, RefusedError
from tests.platform.workloads import Group, Workloads

Split = list[tuple[str, int]]


@dataclass
class StandardController:
    """``gateway_api``: enableGatewayApi of inferenceservice-config. ``splits``: from 0.21."""

    objects: Objects
    workloads: Workloads
    gateway_api: bool = True
    splits: bool = True

    def __post_init__(self) -> None:
        self._splits: dict[str, Split] = {}

    def split(self, isvc: Object) -> Split:
        return self._splits.get(isvc["metadata"]["uid"], [])

    def forget(self, namespace: str, name: str, uid: str) -> None:
        if self._splits.pop(uid, None) is not None:
            self.workloads.settle(namespace, name, {})

    def reconcile(self, isvc: Object) -> None:
        """components/predictor.go: the canaries first, then the stable deployment."""
        metadata, spec = isvc["metadata"], isvc["spec"]
        stable, canaries = spec["predictor"], spec.get("canary") or []
        name = service_name(metadata["name"], stable.get("name"))
        groups: dict[str, Group] = {}
        statuses = []
        ready_replicas = 0
        for canary in canaries:
            predictor = merged(stable, canary["predictor"])
            own = service_name(metadata["name"], canary["predictor"]["name"])
            replicas = _canary_replicas(stable, canary)
            groups[own] = self._group(metadata["name"], own, predictor, replicas)
            ready = bool(self.workloads.available(own))
            ready_replicas += replicas if ready else 0
            statuses.append(
                {
                    "name": canary["predictor"]["name"],
                    "ready": ready,
                    "trafficPercent": canary["trafficPercent"],
                }
            )
        wanted = stable.get("minReplicas", 1)
        if canaries and "minReplicas" in stable and ready_replicas:
            # adjustStableMinReplicasForCanaries
            wanted = max(wanted - ready_replicas, 1)
        groups[name] = self._group(metadata["name"], name, stable, wanted)
        self.workloads.settle(metadata["namespace"], metadata["name"], groups)
        available = bool(self.workloads.available(name))
        complaint = next((p.complaint for p in self.workloads.of(name) if p.complaint), "")
        status: Object = {
            "deploymentMode": "Standard",
            "components": {"predictor": {}},
            "canaryStatuses": statuses,
            "conditions": _conditions(available, complaint, canaries, statuses),
        }
        # httproute_reconciler.go: no route before the predictor is ready; an old one stays.
        if available or metadata["uid"] not in self._splits:
            split = self._backends(isvc, name, statuses) if available else []
            self._splits[metadata["uid"]] = split
            if self.gateway_api and available:
                self._write_route(isvc, split)
        self.objects.set_status((ISVC, metadata["namespace"], metadata["name"]), status)

    def _backends(self, isvc: Object, stable: str, statuses: list[Object]) -> Split:
        """applyCanaryWeights: only canaries that are ready get a backend."""
        if not (self.gateway_api and self.splits):
            return [(stable, 100)]
        ready = [status for status in statuses if status["ready"]]
        taken = sum(status["trafficPercent"] for status in ready)
        return [
            (stable, 100 - taken),
            *(
                (service_name(isvc["metadata"]["name"], s["name"]), s["trafficPercent"])
                for s in ready
            ),
        ]

    def _write_route(self, isvc: Object, split: Split) -> None:
        """The route's name has no predictor's name in it: it stays the same at a promotion."""
        metadata = isvc["metadata"]
        key = (ROUTE, metadata["namespace"], f"{metadata['name']}-predictor")
        weigh = len(split) > 1
        refs = [
            {"kind": "Service", "name": name, "port": 80, **({"weight": share} if weigh else {})}
            for name, share in split
        ]
        route = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"ownerReferences": [{"uid": metadata["uid"]}]},
            "spec": {"rules": [{"backendRefs": refs}]},
        }
        try:
            if self.objects.get(key)["spec"] != route["spec"]:
                self.objects.replace(key, route)
        except RefusedError:
            self.objects.create(key, route)

    def _group(self, isvc: str, name: str, predictor: Object, replicas: int) -> Group:
        # raw deployments select their pods by this label: constants.go, GetRawServiceLabel
        labels = {"app": f"isvc.{name}"}
        return Group(name=name, isvc=isvc, labels=labels, predictor=predictor, replicas=replicas)


def service_name(isvc: str, predictor: str | None) -> str:
    """constants.go, PredictorServiceName."""
    return f"{isvc}-{predictor}-predictor" if predictor else f"{isvc}-predictor"


def merged(stable: Object, canary: Object) -> Object:
    """buildCanaryPredictor: mergo.Merge with override: maps are merged, lists replaced."""
    both = deepcopy(stable)
    for name, value in canary.items():
        if isinstance(value, dict) and isinstance(both.get(name), dict):
            both[name] = merged(both[name], value)
        elif value not in (None, "", [], {}):
            both[name] = deepcopy(value)
    return both


def _canary_replicas(stable: Object, canary: Object) -> int:
    """canaryReplicaCount."""
    if "minReplicas" in canary["predictor"]:
        return int(canary["predictor"]["minReplicas"])
    return ceil(stable.get("minReplicas", 1) * canary["trafficPercent"] / 100)


def _conditions(
    available: bool, complaint: str, canaries: list[Any], statuses: list[Object]
) -> list[Object]:
    ready = "True" if available else "False"
    conditions = [
        {"type": "PredictorReady", "status": ready, "message": complaint},
        {"type": "Ready", "status": ready, "message": complaint},
    ]
    if canaries:
        all_ready = all(status["ready"] for status in statuses)
        conditions.append(
            {
                "type": "CanaryPredictorReady",
                "status": "True" if all_ready else "False",
                "reason": "AllCanariesReady" if all_ready else "CanariesNotReady",
            }
        )
    return conditions
