"""What the demo did, as plain values: what the terminal's summary and the report are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from pipelines.demo.traffic import Traffic
from weathervane.rollout.timeline import Step


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act: what it was to show, how it ended, how long it took."""

    title: str
    ended: str
    seconds: float
    as_told: bool


@dataclass(frozen=True, kw_only=True)
class Training:
    """One run of the training pipeline. ``verdicts`` are the gate's, by candidate."""

    title: str
    chosen: str | None
    digest: str | None
    accuracies: Mapping[str, float]
    verdicts: Mapping[str, Any]
    report: str  # path of the comparison page


@dataclass(frozen=True, kw_only=True)
class Release:
    """One rollout."""

    title: str
    digest: str
    promoted: bool
    why: str
    begun_at: float  # seconds of the wall clock
    ended_at: float
    steps: tuple[Step, ...]
    weights: tuple[tuple[float, int], ...]  # when each weight was asked for, by the wall clock
    stable: str | None  # names of the revisions
    canary: str
    canary_failed: int
    stable_failed: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The whole demo."""

    begun_at: float
    seconds: float
    data: str
    classes: Mapping[str, int]
    acts: tuple[Act, ...]
    trainings: tuple[Training, ...]
    releases: tuple[Release, ...]
    traffic: Traffic
    champion: str
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def as_told(self) -> bool:
        """Whether every act ended as it should."""
        return all(act.as_told for act in self.acts)

    def as_json(self) -> bytes:
        """JSON for machines."""
        return TypeAdapter(Summary).dump_json(self, indent=1)
