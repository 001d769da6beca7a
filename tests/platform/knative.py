"""KServe's controller in Knative mode, with Knative Serving under it.

In: an InferenceService. Out: revisions, pods, its status, and the split that its route has.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from tests.platform.kinds import ISVC, REVISION
from tests.platform.objects import Object, Objects
from tests.platform.workloads import SOURCE_URI, Group, Workloads

Split = list[tuple[str, int]]


@dataclass
class _Service:
    """The Knative Service of one InferenceService."""

    template: str = ""
    generation: int = 0
    traffic: list[Object] = field(default_factory=list)
    resolved: list[Object] = field(default_factory=list)  # what the route is asked for
    resolved_at: float = 0.0
    acting: list[Object] = field(default_factory=list)  # what it does
    groups: dict[str, Group] = field(default_factory=dict)
    latest_ready: str = ""


class KnativeController:
    """``route_seconds``: how long a route takes to act on what it is told."""

    def __init__(
        self, objects: Objects, workloads: Workloads, *, route_seconds: float = 0.01
    ) -> None:
        self.route_seconds = route_seconds
        self._objects = objects
        self._workloads = workloads
        self._services: dict[str, _Service] = {}

    def split(self, isvc: Object) -> Split:
        service = self._services.get(isvc["metadata"]["uid"])
        acting = service.acting if service else []
        return [(target["revisionName"], target["percent"]) for target in acting]

    def forget(self, namespace: str, name: str, uid: str) -> None:
        if self._services.pop(uid, None):
            self._workloads.settle(namespace, name, {})

    def reconcile(self, isvc: Object) -> None:
        metadata, predictor = isvc["metadata"], isvc["spec"]["predictor"]
        service = self._services.setdefault(metadata["uid"], _Service())
        status = isvc.get("status", {})
        component = status.get("components", {}).get("predictor", {})
        traffic = _traffic_targets(predictor, component, metadata.get("annotations", {}))
        wrong = [target["percent"] for target in traffic if not 0 <= target["percent"] <= 100]
        if wrong:
            # Knative pkg/apis/serving/v1/route_validation.go, validateTrafficPercentage; KServe
            # components/predictor.go turns the refusal into this condition and goes no further.
            message = (
                "fails to reconcile predictor: fails to update knative service: admission webhook "
                '"validation.webhook.serving.knative.dev" denied the request: validation failed: '
                f"expected 0 <= {wrong[0]} <= 100: spec.traffic[0].percent"
            )
            failed = {**status, "conditions": _conditions("False", "ReconcileFailed", message)}
            self._objects.set_status((ISVC, metadata["namespace"], metadata["name"]), failed)
            return
        service.traffic = traffic
        self._create_revision(isvc, service)
        self._settle_pods(isvc, service)
        self._find_latest_ready(isvc, service)
        self._route(service)
        self._propagate(isvc, service, component)

    def _create_revision(self, isvc: Object, service: _Service) -> None:
        """Knative pkg/reconciler/configuration/configuration.go: a revision for each generation.

        The template holds the annotations and labels of the InferenceService (KServe
        reconcilers/knative/ksvc_reconciler.go, createKnativeService), so any change of one of
        them is a new generation.
        """
        metadata, predictor = isvc["metadata"], isvc["spec"]["predictor"]
        annotations = {
            name: value
            for name, value in metadata.get("annotations", {}).items()
            # config/configmap/inferenceservice.yaml, serviceAnnotationDisallowedList
            if name != "kubectl.kubernetes.io/last-applied-configuration"
        }
        group = Group(
            name="",
            isvc=metadata["name"],
            labels={},
            predictor=predictor,
            replicas=predictor.get("minReplicas", 1),
        )
        template = f"{group.template} {annotations} {metadata.get('labels')}"
        if template == service.template:
            return
        service.template = template
        service.generation += 1
        name = f"{metadata['name']}-predictor-{service.generation:05d}"
        labels = {
            "serving.knative.dev/revision": name,
            "serving.knative.dev/configuration": f"{metadata['name']}-predictor",
            "serving.knative.dev/service": f"{metadata['name']}-predictor",
        }
        service.groups[name] = Group(
            name=name,
            isvc=metadata["name"],
            labels=labels,
            predictor=predictor,
            replicas=group.replicas,
        )
        self._objects.create(
            (REVISION, metadata["namespace"], name),
            {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Revision",
                "metadata": {
                    "labels": labels,
                    "annotations": {**annotations, SOURCE_URI: group.uri},
                    "ownerReferences": [{"uid": metadata["uid"]}],
                },
                "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
            },
        )

    def _settle_pods(self, isvc: Object, service: _Service) -> None:
        """Revisions that the route names run, and the newest one so that it can get ready.

        Knative pkg/reconciler/labeler/metasync.go, syncRoutingMeta: with 0 % as well. All others
        are taken down.
        """
        named = {target["revisionName"] for target in (*service.acting, *service.resolved)}
        newest = f"{isvc['metadata']['name']}-predictor-{service.generation:05d}"
        active = {name: group for name, group in service.groups.items() if name in named | {newest}}
        metadata = isvc["metadata"]
        self._workloads.settle(metadata["namespace"], metadata["name"], active)
        for name in active:
            pods = self._workloads.of(name)
            complaint = next((pod.complaint for pod in pods if pod.complaint), "")
            condition = {"type": "Ready", "status": "Unknown", "reason": "Deploying"}
            if complaint:
                condition = {
                    "type": "Ready",
                    "status": "False",
                    "reason": "ExitCode1",
                    "message": f"Container failed with: {complaint}",
                }
            elif pods and all(pod.ready for pod in pods):
                condition = {"type": "Ready", "status": "True"}
            self._objects.set_status(
                (REVISION, metadata["namespace"], name), {"conditions": [condition]}
            )

    def _find_latest_ready(self, isvc: Object, service: _Service) -> None:
        """findAndSetLatestReadyRevision: the newest that is ready, and never an older one again."""
        for name in sorted(service.groups, reverse=True):
            if name < service.latest_ready:
                return
            revision = self._objects.find((REVISION, isvc["metadata"]["namespace"], name))
            if revision and revision["status"]["conditions"][0]["status"] == "True":
                service.latest_ready = name
                return

    def _route(self, service: _Service) -> None:
        """Knative pkg/reconciler/route/traffic: "latest" is the latest *ready* revision."""
        if not service.latest_ready:
            return
        resolved = [
            {**target, "revisionName": target.get("revisionName") or service.latest_ready}
            for target in service.traffic
        ]
        if resolved != service.resolved:
            service.resolved, service.resolved_at = resolved, time.monotonic()
        # A revision that was taken down has to run again before its share can reach it.
        if time.monotonic() - service.resolved_at >= self.route_seconds:
            service.acting = resolved

    def _propagate(self, isvc: Object, service: _Service, component: Object) -> None:
        """KServe pkg/apis/serving/v1beta1/inference_service_status.go, PropagateStatus."""
        metadata = isvc["metadata"]
        created = f"{metadata['name']}-predictor-{service.generation:05d}"
        component = {**component, "latestCreatedRevision": created, "traffic": service.acting}
        shares: dict[str, int] = {}
        for target in service.acting:
            name = target["revisionName"]
            shares[name] = shares.get(name, 0) + target["percent"]
        for target in service.acting:
            if not target["latestRevision"] or target["revisionName"] != service.latest_ready:
                continue
            if component.get("latestRolledoutRevision", "") != service.latest_ready:
                if target["percent"] == 100:
                    component["previousRolledoutRevision"] = component.get(
                        "latestRolledoutRevision", ""
                    )
                    component["latestRolledoutRevision"] = service.latest_ready
            elif (
                service.latest_ready == created
                and target["percent"] < 100
                and shares[service.latest_ready] == 100
                and component.get("previousRolledoutRevision")
            ):
                component["latestRolledoutRevision"] = component["previousRolledoutRevision"]
        component["latestReadyRevision"] = service.latest_ready
        revision = self._objects.get((REVISION, metadata["namespace"], created))
        ready = revision["status"]["conditions"][0]
        status: Object = {
            "components": {"predictor": component},
            "deploymentMode": "Knative",
            "conditions": _conditions(
                ready["status"], ready.get("reason", ""), ready.get("message", "")
            ),
            "modelStatus": _model_status(ready),
        }
        self._objects.set_status((ISVC, metadata["namespace"], metadata["name"]), status)


def _traffic_targets(
    predictor: Object, component: Object, annotations: dict[str, str]
) -> list[Object]:
    """KServe reconcilers/knative/ksvc_reconciler.go, createKnativeService."""
    percent = predictor.get("canaryTrafficPercent")
    rolled_out = component.get("latestRolledoutRevision")
    tagged = annotations.get("serving.kserve.io/enable-tag-routing") == "true"
    tag = {"tag": "latest"} if tagged else {}
    # The first deployment has nothing rolled out, and the field is ignored.
    if percent is None or not rolled_out:
        return [{"latestRevision": True, "percent": 100, **tag}]
    targets: list[Object] = [{"latestRevision": True, "percent": percent, **tag}]
    if percent < 100:
        targets.append(
            {
                "latestRevision": False,
                "revisionName": rolled_out,
                "percent": 100 - percent,
                "tag": "prev",
            }
        )
    return targets


def _conditions(status: str, reason: str, message: str) -> list[Any]:
    said = {"status": status, "reason": reason, "message": message}
    return [{"type": kind, **said} for kind in ("PredictorReady", "Ready")]


def _model_status(ready: Object) -> Object:
    """PropagateModelStatus, as far as somebody reads it."""
    if ready["status"] == "False":
        return {
            "transitionStatus": "BlockedByFailedLoad",
            "lastFailureInfo": {
                "reason": "ModelLoadFailed",
                "message": ready.get("message", ""),
                "exitCode": 1,
            },
        }
    return {"transitionStatus": "UpToDate" if ready["status"] == "True" else "InProgress"}
