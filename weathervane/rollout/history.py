"""A rollout record told as its rollouts, and one rollout as its moments.

In: the record's entries. Out: one `Past` for each rollout, one `Moment` for each change.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from weathervane.errors import UsageError
from weathervane.rollout.state import ENDS, Phase

PREVIOUS = "previous"
_ENDS = frozenset(phase.value for phase in ENDS)
_IN_WORDS = {
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "taken back",
    Phase.CONCLUDED: "good verdict, nothing promoted",
}


# As many first digits of a digest name a package: what `rollout history` shows, or fewer.
_FIRST_DIGITS = re.compile(r"[0-9a-f]{8,63}")


@dataclass(frozen=True, kw_only=True)
class Past:
    """One rollout. ``end`` is the phase in which it ended, or None if it has not."""

    id: str
    begun_at: str  # ISO 8601, UTC
    begun_by: str
    package: str
    stable: str | None  # the package that was served when it began
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
                stable=entry.get("stable"),
                strategy=entry["plan"]["strategy"],
            )
        elif event in _ENDS and name in rollouts:
            rollouts[name] = replace(
                rollouts[name], end=Phase(event), ended_at=entry["at"], why=entry["why"]
            )
    return list(rollouts.values())


def served(record: Iterable[Mapping[str, Any]]) -> list[str]:
    """The digests of what was stable, the newest first, each once in a row."""
    digests: list[str] = []
    for past in rollouts_of(record):
        promoted = past.package if past.end is Phase.PROMOTED else None
        for digest in (past.stable, promoted):
            if digest and digests[-1:] != [digest]:
                digests.append(digest)
    return digests[::-1]


def find_package(record: Callable[[], Iterable[Mapping[str, Any]]], package: str) -> str:
    """What a package is called that is named by a record; any other name is left as it is.

    Args:
        record: reads it, when it is needed.
        package: ``previous``, what was served before what is now, or the first digits of a digest.

    Raises:
        UsageError: when the record knows no such package, or several.
    """
    if package == PREVIOUS:
        before = served(record())[1:]
        if not before:
            raise UsageError("nothing was served before what is now, as far as the record tells")
        return before[0]
    if not _FIRST_DIGITS.fullmatch(package):
        return package
    found = {
        digest
        for past in rollouts_of(record())
        for digest in (past.package, past.stable)
        if digest and digest.startswith(package)
    }
    if len(found) != 1:
        raise UsageError(
            f"{len(found) or 'no'} packages of the record begin with {package}; "
            "see weathervane rollout history"
        )
    return found.pop()


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
