"""The deployment on KServe in Knative mode: `canaryTrafficPercent` between two revisions.

In: an InferenceService that we own. Out: the `Deployment` port. What the field means is KServe's
pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go: its percent goes
to the latest *ready* revision, the rest to the last one that had 100 %; without it the latest
ready one has all. What follows from that is in docs/decisions/0040.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.api import REVISION, Object
from weathervane.rollout.kserve.deployment import KServeDeployment
from weathervane.rollout.kserve.ledger import Ledger, Page
from weathervane.rollout.kserve.owned import Seen
from weathervane.rollout.kserve.status import failure, percents, predictor_complaint
from weathervane.rollout.kserve.template import Manifest, digest_of
from weathervane.rollout.port import Live, Release, Revision

_SOURCE_URI = "internal.serving.kserve.io/storage-initializer-sourceuri"
_PERCENT = "canaryTrafficPercent"


@dataclass(frozen=True, kw_only=True)
class _Roles:
    """Which revision is what. A canary that KServe has not made yet has an empty name."""

    stable: str | None = None
    canary: str | None = None
    weight: int = 0


class KnativeDeployment(KServeDeployment):
    """See `Deployment`."""

    def observe(self) -> Live:
        """See `Deployment`."""
        seen = self._owned.look()
        if seen.isvc is None:
            return Live(stable=None, canary=None, weight=0)
        revisions = self._revisions()
        roles = _roles(seen, revisions)
        return Live(
            stable=self._revision(roles.stable, seen.isvc, revisions),
            canary=self._revision(roles.canary, seen.isvc, revisions),
            weight=roles.weight,
        )

    def start_canary(self, release: Release) -> None:
        """See `Deployment`."""
        self._owned.look()
        self._owned.turn(lambda seen: self._begun(seen, release), force=True)
        self._until(lambda: bool(self._roles().canary), f"make a revision of {release.digest[:12]}")

    def set_weight(self, percent: int) -> None:
        """See `Deployment`."""
        if not 0 <= percent <= 100:
            # KServe takes any number, and fails only when Knative refuses it.
            raise DeploymentError(f"a weight is 0 to 100 percent, got {percent}")
        self._owned.turn(lambda seen: self._weighed(seen, percent))
        self._until_split(percent)

    def promote(self) -> None:
        """See `Deployment`."""
        self._owned.turn(self._promoted)
        seen = self._owned.look()
        if seen.isvc is None or seen.page is None or seen.page.busy:
            return
        if _PERCENT not in seen.isvc["spec"]["predictor"]:
            self._until(self._latest_has_all, "give all traffic to the promoted revision")
        self._notebook.belong_to(seen.isvc["metadata"]["uid"])

    def rollback(self, why: str) -> None:
        """See `Deployment`."""
        seen = self._owned.look(drifted=True)
        if seen.isvc is None or seen.page is None:
            return
        roles = _roles(seen, self._revisions())
        canary = seen.page.canary
        if canary is not None and digest_of(_uri(seen.isvc)) != canary.digest:
            # Somebody put something else there: what is live is theirs, and none of it ours.
            self._owned.note(Ledger.closed)
            return
        if roles.canary is None:
            return
        if roles.stable is None:
            self._owned.remove(seen.isvc)
            return
        if roles.weight > 0:
            # The spec stays as it is until stable has all traffic again. After a weight of 100
            # KServe takes the canary for what was rolled out, and finds back to stable only
            # while the canary's revision is the latest.
            self._owned.turn(lambda seen: self._weighed(seen, 0), force=True)
            self._until_split(0)
        self._owned.turn(self._restored, force=True)
        self._until(self._rests, "make a revision of what was stable")

    def _begun(self, seen: Seen, release: Release) -> Ledger | None:
        manifest = self._template.manifest(release)
        if seen.isvc is None or seen.page is None:
            return seen.ledger.turned(_page(manifest, None, canary=manifest), before=None)
        roles = _roles(seen, self._revisions())
        if roles.canary is not None:
            present = digest_of(_uri(seen.isvc))
            if present == release.digest:
                return None
            raise DeploymentError(
                f"{roles.canary or 'a revision'} is the canary already, of package "
                f"{present[:12]}: promote it or take it back first"
            )
        page = _page(manifest, 0, stable=seen.page.stable, canary=manifest)
        return seen.ledger.turned(page, before=seen.page)

    def _weighed(self, seen: Seen, percent: int) -> Ledger | None:
        isvc, page, roles = self._with_canary(seen)
        if roles.stable is None:
            raise DeploymentError("the first deployment has no stable to share traffic with")
        ready = _component(isvc).get("latestReadyRevision")
        if percent > 0 and ready != roles.canary:
            raise DeploymentError(
                f"a weight now would go to {ready}, the latest revision that is ready, and not to "
                f"the canary {roles.canary or 'that KServe has not made yet'}"
            )
        if isvc["spec"]["predictor"].get(_PERCENT) == percent:
            return None
        predictor = {**page.spec["predictor"], _PERCENT: percent}
        return seen.ledger.turned(replace(page, spec={"predictor": predictor}), before=page)

    def _promoted(self, seen: Seen) -> Ledger | None:
        if seen.page is None or seen.page.canary is None:
            return None
        canary = seen.page.canary
        page = _page(canary, None, stable=canary)
        return seen.ledger.turned(page, before=seen.page)

    def _restored(self, seen: Seen) -> Ledger | None:
        _, page, _ = self._with_canary(seen)
        if page.stable is None or page.canary is None:
            raise DeploymentError(
                f"the ConfigMap of {self.service} does not say what was stable: the canary has no "
                "traffic any more, but its spec stands; set storageUri to the stable package"
            )
        return seen.ledger.turned(_page(page.stable, 0, stable=page.stable), before=page)

    def _with_canary(self, seen: Seen) -> tuple[Object, Page, _Roles]:
        if seen.isvc is not None and seen.page is not None:
            roles = _roles(seen, self._revisions())
            if roles.canary is not None:
                return seen.isvc, seen.page, roles
        raise DeploymentError("there is no canary")

    def _names(self) -> list[str]:
        roles = self._roles()
        return [name for name in (roles.stable, roles.canary) if name]

    @staticmethod
    def _labels(revision: str) -> dict[str, str]:
        return {"serving.knative.dev/revision": revision}

    def _roles(self) -> _Roles:
        seen = self._owned.look()
        return _roles(seen, self._revisions()) if seen.isvc else _Roles()

    def _until_split(self, percent: int) -> None:
        def acts() -> bool:
            seen = self._owned.look()
            if seen.isvc is None:
                return False
            roles = _roles(seen, self._revisions())
            shares = percents(_component(seen.isvc).get("traffic") or [])
            # The two may be one and the same revision for a moment: then it is no split.
            return roles.stable != roles.canary and (
                shares.get(roles.canary or "", 0) == percent
                and shares.get(roles.stable or "", 0) == 100 - percent
            )

        self._until(acts, f"send {percent} % to the canary")

    def _latest_has_all(self) -> bool:
        seen = self._owned.look()
        component = _component(seen.isvc or {})
        latest = component.get("latestCreatedRevision")
        return (
            bool(latest)
            and percents(component.get("traffic") or []) == {latest: 100}
            and component.get("latestRolledoutRevision") == latest
        )

    def _rests(self) -> bool:
        """Whether KServe has made a revision of the spec: the next canary must be another one."""
        seen = self._owned.look()
        if seen.isvc is None:
            return True
        return not _is_behind(seen.isvc, self._revisions())

    def _revisions(self) -> dict[str, Object]:
        labels = {"serving.knative.dev/configuration": f"{self.service}-predictor"}
        return {rev["metadata"]["name"]: rev for rev in self._api.list(REVISION, labels)}

    def _revision(
        self, name: str | None, isvc: Object, revisions: Mapping[str, Object]
    ) -> Revision | None:
        if name is None:
            return None
        if not name or name not in revisions:
            said = predictor_complaint(isvc) or "KServe has not made its revision yet"
            digest = digest_of(_uri(isvc))
            shown = name or f"{self.service}-predictor"
            return Revision(name=shown, digest=digest, ready=False, message=said)
        found = revisions[name]
        conditions = (found.get("status") or {}).get("conditions") or []
        condition: Object = next((c for c in conditions if c["type"] == "Ready"), {})
        ready = condition.get("status") == "True"
        message = ""
        if not ready:
            latest = _component(isvc).get("latestCreatedRevision") == name
            message = str(
                (failure(isvc) if latest and condition.get("status") == "False" else "")
                or condition.get("message")
                or self._pods.complaint(self._labels(name))
            )
        return Revision(name=name, digest=_digest(found), ready=ready, message=message)


def _roles(seen: Seen, revisions: Mapping[str, Object]) -> _Roles:
    isvc, page = seen.isvc, seen.page
    if isvc is None or page is None:
        return _Roles()
    component = _component(isvc)
    created = str(component.get("latestCreatedRevision") or "")
    rolled_out = str(component.get("latestRolledoutRevision") or "")
    behind = _is_behind(isvc, revisions)
    latest = "" if behind else created
    if page.busy and page.stable is None:
        return _Roles(canary=latest)
    percent = isvc["spec"]["predictor"].get(_PERCENT)
    if percent is None:
        return _Roles(stable=component.get("latestReadyRevision") or created or "")
    stable = rolled_out
    if not behind and rolled_out == created:
        # At 100 % KServe takes the canary for what was rolled out.
        stable = str(component.get("previousRolledoutRevision") or rolled_out)
    if stable in revisions and _digest(revisions[stable]) == digest_of(_uri(isvc)):
        # At rest after a rollback: the spec is stable's own again, and its copy stands by.
        return _Roles(stable=stable)
    return _Roles(stable=stable, canary=latest, weight=percent)


def _is_behind(isvc: Object, revisions: Mapping[str, Object]) -> bool:
    """Whether the latest revision is not yet one of the present spec.

    Of two specs that follow each other the packages differ, so the package tells.
    """
    created = str(_component(isvc).get("latestCreatedRevision") or "")
    return created not in revisions or _digest(revisions[created]) != digest_of(_uri(isvc))


def _page(
    manifest: Manifest,
    percent: int | None,
    *,
    stable: Manifest | None = None,
    canary: Manifest | None = None,
) -> Page:
    split = {} if percent is None else {_PERCENT: percent}
    return Page(
        spec={"predictor": {**manifest.predictor, **split}},
        annotations=manifest.annotations,
        labels=manifest.labels,
        stable=stable,
        canary=canary,
    )


def _component(isvc: Object) -> dict[str, Any]:
    return ((isvc.get("status") or {}).get("components") or {}).get("predictor") or {}


def _uri(isvc: Object) -> str:
    return str((isvc["spec"]["predictor"].get("model") or {}).get("storageUri") or "")


def _digest(revision: Object) -> str:
    return digest_of((revision["metadata"].get("annotations") or {}).get(_SOURCE_URI, ""))
