"""A rollout record told as its rollouts, and one rollout as its moments.

In: the record's entries. Out: one `Past` for each rollout, one `Moment` for each change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from weathervane.rollout.state import ENDS, Phase

_ENDS = frozenset(phase.value for phase in ENDS)
_IN_WORDS = {
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "taken back",
    Phase.CONCLUDED: "good verdict, nothing promoted",
}


@dataclass(frozen=True, kw_only=True)
class Past:
    """One rollout. ``end`` is the phase in which it ended, or None if it has not."""

    id: str
    begun_at: str  # ISO 8601, UTC
    begun_by: str
    package: str
    strategy: str
    end: Phase | None = None
    ended_at: str | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What happened. ``times`` counts looks in a row that led to the same decision."""

    at: str  # ISO 8601, UTC; of the last of them
    weight: int
    what: str
    why: str
    times: int = 1


def in_words(phase: Phase | None) -> str:
    """How a rollout ended."""
    return _IN_WORDS.get(phase, "not ended") if phase else "not ended"


def rollouts_of(record: Iterable[Mapping[str, Any]]) -> list[Past]:
    """Every rollout in a record, the oldest first."""
    rollouts: dict[str, Past] = {}
    for entry in record:
        name, event = entry["rollout"], entry["event"]
        if event == "begun":
            rollouts[name] = Past(
                id=name,
                begun_at=entry["at"],
                begun_by=entry["who"],
                package=entry["package"],
                strategy=entry["plan"]["strategy"],
            )
        elif event in _ENDS and name in rollouts:
            rollouts[name] = replace(
                rollouts[name], end=Phase(event), ended_at=entry["at"], why=entry["why"]
            )
    return list(rollouts.values())


def moments_of(record: Iterable[Mapping[str, Any]], rollout: str) -> list[Moment]:
    """What happened in one rollout, in order."""
    moments: list[Moment] = []
    requests: set[str] = set()
    for entry in record:
        if entry["rollout"] != rollout:
            continue
        if entry["event"] == "request":
            # A crash may have recorded it twice.
            if entry["id"] in requests:
                continue
            requests.add(entry["id"])
        now = _moment(entry)
        before = moments[-1] if moments else None
        if (
            before
            and entry["event"] == "look"
            and (before.what, before.weight) == (now.what, now.weight)
        ):
            moments[-1] = replace(now, times=before.times + 1)
        else:
            moments.append(now)
    return moments


def _moment(entry: Mapping[str, Any]) -> Moment:
    what, why = entry["event"], entry.get("why", "")
    match what:
        case "begun":
            why = f"package {entry['package'][:12]} by {entry['who']}"
        case "request":
            what, why = entry["kind"], f"{why or 'no reason given'} ({entry['who']})"
        case "look" | "decided":
            what = entry["decision"]
    to = entry.get("to") or entry.get("mirror_to")
    if to:
        what = f"{what} {to} %"
    return Moment(at=entry["at"], weight=entry["weight"], what=what, why=why)
