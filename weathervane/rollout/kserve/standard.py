"""The deployment on KServe in Standard mode: a second Deployment beside stable's, by `spec.canary`.

In: an InferenceService that we own. Out: the `Deployment` port. A revision is a Deployment,
``<service>-<name>-predictor``; its name is given by us and stays when it becomes stable. Traffic
is split by an HTTPRoute: KServe
pkg/controller/v1beta1/inferenceservice/reconcilers/ingress/httproute_reconciler.go.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.api import HTTP_ROUTE, Object
from weathervane.rollout.kserve.deployment import KServeDeployment
from weathervane.rollout.kserve.ledger import Ledger, Page, differences
from weathervane.rollout.kserve.owned import Seen
from weathervane.rollout.kserve.status import failure, predictor_complaint
from weathervane.rollout.kserve.template import Manifest, digest_of, merged
from weathervane.rollout.port import Live, Release, Revision

# KServe refuses these in a canary: inference_service_validation.go, validateCanarySpecs.
_SCALING = ("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "autoScaling")


class StandardDeployment(KServeDeployment):
    """See `Deployment`."""

    def observe(self) -> Live:
        """See `Deployment`."""
        seen = self._owned.look()
        if seen.isvc is None:
            return Live(stable=None, canary=None, weight=0)
        stable = self._stable(seen.isvc)
        if seen.page and seen.page.busy and seen.page.stable is None:
            return Live(stable=None, canary=stable, weight=0)
        canary = _canary(seen.isvc)
        return Live(
            stable=stable,
            canary=self._canary(seen.isvc, canary) if canary else None,
            weight=canary["trafficPercent"] if canary else 0,
        )

    def start_canary(self, release: Release) -> None:
        """See `Deployment`."""
        self._owned.look()
        self._owned.turn(lambda seen: self._begun(seen, release), force=True)

    def set_weight(self, percent: int) -> None:
        """See `Deployment`."""
        if not 0 <= percent <= 100:
            raise DeploymentError(f"a weight is 0 to 100 percent, got {percent}")
        self._owned.turn(lambda seen: self._weighed(seen, percent))
        self._until(lambda: self._splits(percent), f"send {percent} % to the canary")

    def promote(self) -> None:
        """See `Deployment`."""
        self._owned.turn(self._promoted)
        seen = self._owned.look()
        if seen.isvc is None or seen.page is None or seen.page.busy:
            return
        self._until(self._only_stable, "give all traffic to the promoted revision")
        self._notebook.belong_to(seen.isvc["metadata"]["uid"])

    def rollback(self, why: str) -> None:
        """See `Deployment`."""
        seen = self._owned.look(drifted=True)
        if seen.isvc is None or seen.page is None:
            return
        if seen.page.busy and seen.page.stable is None:
            self._owned.remove(seen.isvc)
            return
        canary = _canary(seen.isvc)
        if canary is None:
            # Gone already, by us or by somebody else: what is live stays as it is.
            if seen.page.busy:
                self._owned.note(Ledger.closed)
            return
        if canary["trafficPercent"] > 0 and seen.page.busy:
            self._owned.turn(lambda seen: self._weighed(seen, 0), force=True)
            self._until(lambda: self._splits(0), "send all traffic to stable")
        self._owned.turn(self._dropped, force=True)
        self._until(self._only_stable, "take the canary down")

    def _begun(self, seen: Seen, release: Release) -> Ledger | None:
        number = seen.ledger.number + 1
        manifest = self._template.manifest(release)
        # KServe's CRD wants a letter first.
        named = replace(manifest, predictor={**manifest.predictor, "name": f"r{number:05d}"})
        ledger = replace(seen.ledger, number=number)
        if seen.isvc is None or seen.page is None:
            page = _page({"predictor": named.predictor}, named, canary=named)
            return ledger.turned(page, before=None)
        present = _canary(seen.isvc)
        if seen.page.busy and seen.page.stable is None:
            present = {"predictor": seen.isvc["spec"]["predictor"]}
        if present is not None:
            digest = digest_of(_uri(present["predictor"]))
            if digest == release.digest:
                return None
            raise DeploymentError(
                f"{present['predictor'].get('name')} is the canary already, of package "
                f"{digest[:12]}: promote it or take it back first"
            )
        if seen.page.stable is None:
            raise DeploymentError(f"nothing is stable in {self.service}")
        stable = seen.page.stable
        spec = _split(named, stable, 0)
        page = _page(spec, named, stable=stable, canary=named)
        return ledger.turned(page, before=seen.page)

    def _weighed(self, seen: Seen, percent: int) -> Ledger | None:
        page, canary, stable = self._with_canary(seen)
        spec = _split(canary, stable, percent)
        if page.spec == spec and not any(differences(page, seen.isvc or {})):
            return None
        return seen.ledger.turned(replace(page, spec=spec), before=page)

    def _promoted(self, seen: Seen) -> Ledger | None:
        if seen.page is None or seen.page.canary is None:
            return None
        canary, stable = seen.page.canary, seen.page.stable
        if stable is not None:
            # What KServe made of the canary: with anything else its pods would start anew.
            canary = replace(canary, predictor=merged(stable.predictor, canary.predictor))
        page = _page({"predictor": canary.predictor}, canary, stable=canary)
        return seen.ledger.turned(page, before=seen.page)

    def _dropped(self, seen: Seen) -> Ledger | None:
        if seen.page is None or seen.page.stable is None:
            return None
        stable = seen.page.stable
        page = _page({"predictor": stable.predictor}, stable, stable=stable)
        return seen.ledger.turned(page, before=seen.page)

    def _with_canary(self, seen: Seen) -> tuple[Page, Manifest, Manifest]:
        page = seen.page
        if page is None or page.canary is None or page.stable is None:
            raise DeploymentError("there is no canary to share traffic with")
        return page, page.canary, page.stable

    def _splits(self, percent: int) -> bool:
        """Whether the route does what was asked for.

        KServe gives a canary that is not ready no traffic, whatever its weight is.
        """
        isvc = self._owned.look().isvc
        canary = _canary(isvc or {})
        if isvc is None or canary is None:
            return False
        status = _canary_status(isvc, canary["predictor"]["name"])
        if status.get("trafficPercent") != percent:
            return False
        own = self._deployment(canary["predictor"])
        stable = self._deployment(isvc["spec"]["predictor"])
        return not status.get("ready") or self._routed({stable: 100 - percent, own: percent})

    def _only_stable(self) -> bool:
        isvc = self._owned.look().isvc
        if isvc is None:
            return True
        told = (isvc.get("status") or {}).get("canaryStatuses")
        return not told and self._routed({self._deployment(isvc["spec"]["predictor"]): 100})

    def _routed(self, wanted: Mapping[str, int]) -> bool:
        """Whether every rule of the route (REST, gRPC) splits in this way."""
        route = self._api.get(HTTP_ROUTE, f"{self.service}-predictor")
        rules = route["spec"].get("rules") or [] if route else []
        splits = [
            {ref["name"]: ref.get("weight", 100) for ref in rule.get("backendRefs") or []}
            for rule in rules
        ]
        return bool(splits) and all(split == wanted for split in splits)

    def _names(self) -> list[str]:
        isvc = self._owned.read()
        if isvc is None:
            return []
        canary = _canary(isvc)
        predictors = [isvc["spec"]["predictor"], *([canary["predictor"]] if canary else [])]
        return [self._deployment(predictor) for predictor in predictors]

    @staticmethod
    def _labels(revision: str) -> dict[str, str]:
        """KServe pkg/constants/constants.go, GetRawServiceLabel."""
        return {"app": f"isvc.{revision}"}

    def _deployment(self, predictor: Mapping[str, Any]) -> str:
        """KServe pkg/constants/constants.go, PredictorServiceName."""
        name = predictor.get("name")
        return f"{self.service}-{name}-predictor" if name else f"{self.service}-predictor"

    def _stable(self, isvc: Object) -> Revision:
        predictor = isvc["spec"]["predictor"]
        name = self._deployment(predictor)
        conditions = (isvc.get("status") or {}).get("conditions") or []
        ready = any(c["type"] == "PredictorReady" and c["status"] == "True" for c in conditions)
        message = "" if ready else failure(isvc) or self._pods.complaint(self._labels(name))
        return Revision(
            name=name,
            digest=digest_of(_uri(predictor)),
            ready=ready,
            message=message or ("" if ready else predictor_complaint(isvc)),
        )

    def _canary(self, isvc: Object, entry: Object) -> Revision:
        name = self._deployment(entry["predictor"])
        ready = bool(_canary_status(isvc, entry["predictor"]["name"]).get("ready"))
        return Revision(
            name=name,
            digest=digest_of(_uri(entry["predictor"])),
            ready=ready,
            message="" if ready else self._pods.complaint(self._labels(name)),
        )


def _split(canary: Manifest, stable: Manifest, percent: int) -> dict[str, Any]:
    """The spec of both: the canary with the pods that its traffic needs, stable with all it had.

    At 0 % a canary has one pod, to be asked. KServe takes a pod from stable for each of the
    canary's that is ready, by `minReplicas` (adjustStableMinReplicasForCanaries); as many are
    added, so that a rollback finds stable at full strength.
    """
    least = int(stable.predictor.get("minReplicas") or 1)
    replicas = min(least, max(1, ceil(least * percent / 100)))
    kept = {name: value for name, value in canary.predictor.items() if name not in _SCALING}
    beside = dict(stable.predictor)
    if "minReplicas" in beside:
        beside["minReplicas"] = least + replicas
        if beside.get("maxReplicas"):
            beside["maxReplicas"] = max(beside["maxReplicas"], least + replicas)
    entry = {"trafficPercent": percent, "predictor": {**kept, "minReplicas": replicas}}
    return {"predictor": beside, "canary": [entry]}


def _page(
    spec: dict[str, Any],
    runs: Manifest,
    *,
    stable: Manifest | None = None,
    canary: Manifest | None = None,
) -> Page:
    return Page(
        spec=spec,
        annotations=runs.annotations,
        labels=runs.labels,
        stable=stable,
        canary=canary,
    )


def _canary(isvc: Object) -> Object | None:
    entries = (isvc.get("spec") or {}).get("canary") or []
    if len(entries) > 1:
        raise DeploymentError(
            f"{isvc['metadata']['name']} has {len(entries)} canaries, and a rollout drives one: "
            "remove the others"
        )
    return entries[0] if entries else None


def _canary_status(isvc: Object, name: str) -> Object:
    told = (isvc.get("status") or {}).get("canaryStatuses") or []
    return next((status for status in told if status["name"] == name), {})


def _uri(predictor: Mapping[str, Any]) -> str:
    return str((predictor.get("model") or {}).get("storageUri") or "")
