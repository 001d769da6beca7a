"""A rollout record told as its steps, for people.

In: the record's entries. Out: one `Step` for each weight, with the figures of its last look.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

# How sure the interval of a measured split is.
CONFIDENCE = 0.999

TITLES = ("weight", "requests", "to canary", "failed", "p95, ms", "probes right", "then")


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was seen at one weight, and what was decided by it. Latencies are in seconds."""

    weight: int
    mirror: int = 0  # percent of stable's requests that were copied to the canary
    seconds: float
    canary_requests: int
    stable_requests: int
    canary_errors: int
    stable_errors: int
    canary_p95: float | None
    stable_p95: float | None
    canary_accuracy: float | None  # on the labelled probes
    stable_accuracy: float | None
    decision: str
    why: str

    @property
    def title(self) -> str:
        """The weight, or the share of the copies."""
        return f"copy of {self.mirror} %" if self.mirror else f"{self.weight} %"

    @property
    def requests(self) -> int:
        """Requests that the gateway sent to either revision."""
        return self.canary_requests + self.stable_requests

    @property
    def share(self) -> float | None:
        """Share of the requests that the canary got."""
        return self.canary_requests / self.requests if self.requests else None

    @property
    def share_interval(self) -> tuple[float, float] | None:
        """Clopper-Pearson interval of the share at `CONFIDENCE`."""
        from scipy.stats import binomtest

        if not self.requests:
            return None
        interval = binomtest(self.canary_requests, self.requests).proportion_ci(CONFIDENCE)
        return float(interval.low), float(interval.high)

    @property
    def split_holds(self) -> bool:
        """Whether the weight asked for lies inside of that interval."""
        if self.share_interval is None:
            return False
        low, high = self.share_interval
        return low <= self.weight / 100 <= high


def steps_of(record: Iterable[Mapping[str, Any]], rollout: str) -> list[Step]:
    """The steps of one rollout, in order; the last look at each weight stands for the step."""
    looks: dict[tuple[int, int], Mapping[str, Any]] = {}
    for entry in record:
        if entry["rollout"] == rollout and entry["event"] == "look":
            looks[entry["weight"], entry["mirror"]] = entry
    return [_step(look) for look in looks.values()]


def table(steps: Iterable[Step]) -> Table:
    """The steps as a table for the terminal; pairs are canary / stable."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for title in TITLES[:-1]:
        shown.add_column(title, justify="right")
    shown.add_column(TITLES[-1])
    for step in steps:
        shown.add_row(*cells(step))
    return shown


def cells(step: Step) -> tuple[str, ...]:
    """A step as text, in the order of `TITLES`; pairs are canary / stable."""
    return (
        step.title,
        str(step.requests),
        _percent(step.share),
        f"{step.canary_errors} / {step.stable_errors}",
        f"{_milliseconds(step.canary_p95)} / {_milliseconds(step.stable_p95)}",
        f"{_percent(step.canary_accuracy)} / {_percent(step.stable_accuracy)}",
        step.decision,
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f}"


def _step(look: Mapping[str, Any]) -> Step:
    nothing: Mapping[str, Any] = {"requests": 0, "errors": 0, "p95_seconds": None}
    canary, stable = look["canary"] or nothing, look["stable"] or nothing
    probes = look["probes"] or {"canary_accuracy": None, "stable_accuracy": None}
    return Step(
        weight=look["weight"],
        mirror=look["mirror"],
        seconds=look["seconds_at_weight"],
        canary_requests=canary["requests"],
        stable_requests=stable["requests"],
        canary_errors=canary["errors"],
        stable_errors=stable["errors"],
        canary_p95=canary["p95_seconds"],
        stable_p95=stable["p95_seconds"],
        canary_accuracy=probes["canary_accuracy"],
        stable_accuracy=probes["stable_accuracy"],
        decision=look["decision"],
        why=look["why"],
    )
