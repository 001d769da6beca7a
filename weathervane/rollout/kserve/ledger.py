"""What was asked of an InferenceService, and what it held before: a redo log of one entry. Pure.

In: the live object and the ledger. Out: which page of the ledger the object is on, or what
somebody else has changed. A change is written down before it is asked for. A process killed in
between leaves an object that still is on the page before, and the next one knows both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.template import Manifest


class DriftError(DeploymentError):
    """Somebody else changed the object in the middle of a rollout."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One state of the object: what we asked for, and which part each manifest has in it."""

    spec: dict[str, Any]
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    # None until something was promoted.
    stable: Manifest | None = None
    canary: Manifest | None = None

    @property
    def busy(self) -> bool:
        """Whether a rollout is under way on it."""
        return self.canary is not None


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Everything that we remember about one InferenceService."""

    asked: Page | None = None
    before: Page | None = None
    number: int = 0  # of the last canary

    def turned(self, page: Page, *, before: Page | None) -> "Ledger":
        """The ledger when ``page`` is about to be asked for."""
        return replace(self, asked=page, before=before)

    def closed(self) -> "Ledger":
        """The ledger when no rollout is under way, whatever the object is like."""
        return replace(self, asked=None, before=None)

    def page(self, isvc: Mapping[str, Any]) -> Page:
        """The page that the live object is on.

        An object on which no rollout is under way is the truth, whoever wrote it.

        Raises:
            DriftError: when somebody changed the object in the middle of a rollout, naming the
                fields and who writes to it.
        """
        for page in (self.asked, self.before):
            if page is not None and not any(differences(page, isvc)):
                return page
        if self.asked is None or not (self.asked.busy or (self.before and self.before.busy)):
            return found(isvc)
        changes = "; ".join(differences(self.asked, isvc))
        raise DriftError(
            f"held: somebody else changed {isvc['metadata']['name']} in the middle of a rollout "
            f"({changes}); last written by {_writers(isvc)}. Put it back, or abort the rollout"
        )


_ADAPTER = TypeAdapter(Ledger)


def read_ledger(text: str) -> Ledger:
    """Read what `write_ledger` wrote; an empty text is an empty ledger.

    Raises:
        DeploymentError: when it is not a ledger of ours.
    """
    if not text:
        return Ledger()
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise DeploymentError(
            f"the rollout's ledger is corrupt ({error.error_count()} values); move it away"
        ) from error


def write_ledger(ledger: Ledger) -> str:
    """A ledger as text."""
    return _ADAPTER.dump_json(ledger).decode()


def found(isvc: Mapping[str, Any]) -> Page:
    """A page about an object that we did not write: all that it serves is stable."""
    predictor = {
        name: value
        for name, value in isvc["spec"]["predictor"].items()
        if name != "canaryTrafficPercent"
    }
    metadata = isvc["metadata"]
    stable = Manifest(
        predictor=predictor,
        annotations=metadata.get("annotations") or {},
        labels=metadata.get("labels") or {},
    )
    return Page(
        spec=isvc["spec"],
        annotations=stable.annotations,
        labels=stable.labels,
        stable=stable,
    )


def differences(page: Page, isvc: Mapping[str, Any]) -> Iterator[str]:
    """Where the object is not as the page has it; what KServe filled in does not count."""
    metadata = isvc["metadata"]
    yield from _differing("metadata.annotations", page.annotations, metadata.get("annotations"))
    yield from _differing("metadata.labels", page.labels, metadata.get("labels"))
    yield from _differing("spec", page.spec, isvc["spec"])
    # What splits traffic is ours even where we want it absent.
    asked, live = page.spec.get("predictor", {}), isvc["spec"].get("predictor", {})
    if "canaryTrafficPercent" in live and "canaryTrafficPercent" not in asked:
        yield (
            f"spec.predictor.canaryTrafficPercent is {live['canaryTrafficPercent']}, expected none"
        )
    if isvc["spec"].get("canary") and not page.spec.get("canary"):
        yield "spec.canary is there, expected none"


def _differing(path: str, wanted: object, live: object) -> Iterator[str]:
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            if wanted:
                yield f"{path} is gone"
            return
        for name, value in wanted.items():
            yield from _differing(f"{path}.{name}", value, live.get(name))
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for number, (one, other) in enumerate(zip(wanted, live, strict=True)):
            yield from _differing(f"{path}[{number}]", one, other)
    elif wanted != live:
        yield f"{path} is {live!r}, expected {wanted!r}"


def _writers(isvc: Mapping[str, Any]) -> str:
    managers = {entry.get("manager", "?") for entry in isvc["metadata"].get("managedFields", [])}
    others = sorted(managers - {"weathervane", "manager"})
    return ", ".join(others) or "an unknown client"
