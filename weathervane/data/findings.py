"""What checks look at and what they say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from weathervane.config import Bounds, ValidationConfig
from weathervane.data.duplicates import Duplicates
from weathervane.data.scan import Seen
from weathervane.data.sources import Listing

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
LeftOut = Literal["", "copy", "conflict", "leak"]

_SHOWN = 12  # examples in a finding


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that a person should know about the pictures."""

    code: str
    severity: Severity
    message: str
    count: int
    # Paths of some of them; those that belong together, such as duplicates, in one tuple.
    examples: tuple[tuple[str, ...], ...]
    recommendation: str
    # What was measured, and the bound from which on it has this severity; None where there is none.
    figure: float | None = None
    bound: float | None = None


def rated(found: Finding, figure: float, bounds: Bounds | None) -> Finding:
    """The finding with its figure, and with the severity that the settings give it, if any."""
    if bounds is None:
        return replace(found, figure=figure)
    if bounds.stop is not None and figure > bounds.stop:
        return replace(found, figure=figure, severity="error", bound=bounds.stop)
    if bounds.warn is not None and figure > bounds.warn:
        return replace(found, figure=figure, severity="warning", bound=bounds.warn)
    least = bounds.stop if bounds.warn is None else bounds.warn
    return replace(found, figure=figure, severity="info", bound=least)


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A file that could be decoded."""

    path: str
    label: str
    seen: Seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A file that could not be used; ``fault`` is one of `images.FAULTS`, or ``closed``."""

    path: str
    label: str
    fault: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Everything that checks look at."""

    listing: Listing
    seen: Sequence[Picture]
    unreadable: Sequence[Broken]
    duplicates: Duplicates  # of `seen`, by index
    leaks: Sequence[tuple[str, str]]  # paths: each picture with one to be tested on that is like it
    left_out: Sequence[LeftOut]  # for each of `seen`: why it stays out of the manifest
    config: ValidationConfig

    @property
    def usable(self) -> Counter[str]:
        """Pictures of each class that go into the manifest."""
        counts = Counter(dict.fromkeys(self.listing.classes, 0))
        pairs = zip(self.seen, self.left_out, strict=True)
        counts.update(seen.label for seen, left_out in pairs if not left_out)
        return counts

    def paths(self, *indices: int) -> tuple[str, ...]:
        """Where pictures that were seen lie."""
        return tuple(self.seen[index].path for index in indices)


def class_finding(
    code: str,
    severity: Severity,
    message: str,
    labels: Sequence[str],
    recommendation: str,
    *,
    figure: float | None = None,
    bound: float | None = None,
) -> Finding | None:
    """A finding about classes as a whole, whose names are in the message; None without any."""
    if not labels:
        return None
    return Finding(
        code=code,
        severity=severity,
        message=message,
        count=len(labels),
        examples=(),
        recommendation=recommendation,
        figure=len(labels) if figure is None else figure,
        bound=bound,
    )


def finding(
    code: str,
    severity: Severity,
    message: str,
    found: Sequence[tuple[str, ...]],
    recommendation: str,
    *,
    bound: float | None = None,
) -> Finding | None:
    """A finding with some of what was found as examples; None when nothing was."""
    if not found:
        return None
    return Finding(
        code=code,
        severity=severity,
        message=message,
        count=len(found),
        examples=tuple(found[:_SHOWN]),
        recommendation=recommendation,
        bound=bound,
    )
