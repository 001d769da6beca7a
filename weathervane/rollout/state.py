"""What a rollout remembers between two looks, and what of it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from weathervane.errors import DeploymentError
from weathervane.rollout.counts import Counts
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.judgement import Flips, ProbeFigures
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release
from weathervane.rollout.webhook import GateAnswer
from weathervane.rollout.wishes import NO_WISHES, Wishes


class Phase(StrEnum):
    """Where a rollout is. The last three are ends."""

    RUNNING = "running"
    PROMOTING = "promoting"
    ROLLING_BACK = "rolling-back"
    CONCLUDING = "concluding"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    # A shadow's good verdict: its canary is removed, and stable stays.
    CONCLUDED = "concluded"


ENDS = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK, Phase.CONCLUDED})


@dataclass(frozen=True, kw_only=True)
class RolloutState:
    """Everything that a rollout needs to go on after a crash.

    ``weight`` and ``mirror`` are what the traffic shall be: after a crash they are asked for again.
    Seconds are those that a process spent watching, so no wall clock is trusted and time without a
    watcher is not time that proves anything.
    """

    id: str
    release: Release
    plan: Plan
    stable_digest: str | None  # what was stable when the rollout began
    begun_at: str
    begun_by: str
    phase: Phase = Phase.RUNNING
    why: str = ""
    weight: int = 0
    mirror: int = 0
    # False from the moment a new weight is written down until it is known to act.
    step_begun: bool = True
    seconds_at_weight: float = 0.0
    # Of these, seconds in which the rollout waited for a person.
    seconds_held: float = 0.0
    # Why it waits for a person, and the weight of the step that waits; "" and None if it does not.
    held: str = ""
    awaits: int | None = None
    # What people asked, and how many requests of the journal have been answered.
    wishes: Wishes = NO_WISHES
    answered: int = 0
    # Counters as last read, and what they grew by, for each revision by name.
    last: Mapping[str, Counts] = field(default_factory=dict)
    in_step: Mapping[str, Counts] = field(default_factory=dict)
    in_all: Mapping[str, Counts] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    probes: ProbeFigures | None = None
    probes_message: str = ""
    flips: Flips | None = None
    replay_message: str = ""
    gate: GateAnswer | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase in ENDS

    def stands_for(self, release: Release, plan: Plan) -> bool:
        """Whether this rollout's end is the answer to another start of the same.

        Whoever starts a command again after a crash undoes no abort, and repeats no shadow.
        """
        if self.release.digest != release.digest:
            return False
        concluded = self.phase is Phase.CONCLUDED and self.plan == plan
        return concluded or self.phase is Phase.ROLLED_BACK

    def tally(self, counts: Mapping[str, Counts]) -> "RolloutState":
        """Add what each revision's counters grew by since the last reading.

        A revision that is read for the first time counts from zero: it was started for this
        rollout, or the step has just begun.
        """
        grown = {name: now.since(self.last.get(name, Counts())) for name, now in counts.items()}
        return replace(
            self,
            last={**self.last, **counts},
            in_step=_added(self.in_step, grown),
            in_all=_added(self.in_all, grown),
        )

    def at_step(self, weight: int, *, mirror: int = 0) -> "RolloutState":
        """The next step, before its traffic flows: its figures start from nothing."""
        return replace(
            self,
            weight=weight,
            mirror=mirror,
            step_begun=False,
            seconds_at_weight=0.0,
            seconds_held=0.0,
            held="",
            awaits=None,
            in_step={},
            probes=None,
            probes_message="",
            gate=None,
        )

    def as_mapping(self) -> dict[str, Any]:
        """Plain JSON values from which `read_state` makes this again."""
        plain: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return plain


def make_name(now: datetime) -> str:
    """A name for a rollout that begins now, which no other has."""
    return f"{now:%Y%m%d-%H%M%S}-{uuid4().hex[:6]}"


_ADAPTER = TypeAdapter(RolloutState)


def read_state(values: Mapping[str, Any]) -> RolloutState:
    """Make a state out of what a journal holds.

    Raises:
        DeploymentError: when it is not a state that we wrote.
    """
    try:
        return _ADAPTER.validate_python(dict(values))
    except ValidationError as error:
        raise DeploymentError(
            f"the rollout's state is corrupt ({error.error_count()} values, first: "
            f"{error.errors()[0]['loc']}); move it away to begin anew"
        ) from error


def _added(sums: Mapping[str, Counts], more: Mapping[str, Counts]) -> dict[str, Counts]:
    return {name: sums.get(name, Counts()) + more.get(name, Counts()) for name in {*sums, *more}}
