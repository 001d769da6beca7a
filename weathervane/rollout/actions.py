"""What a rollout sees, and what it can do next: the question and the answers of `decide`."""

from dataclasses import dataclass, field
from typing import TypeAlias

from weathervane.rollout.counts import Counts
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.judgement import Flips, ProbeFigures
from weathervane.rollout.webhook import GateAnswer
from weathervane.rollout.wishes import NO_WISHES, Wishes


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One look at a rollout. Figures are those of the present step unless they say otherwise."""

    weight: int
    # Percent of stable's requests of which the canary gets a copy.
    mirror: int = 0
    seconds_at_weight: float
    # Of these, seconds in which the rollout waited for a person.
    seconds_held: float = 0.0
    # The canary as the platform reports it; None when it is not there at all.
    canary_ready: bool | None
    canary_message: str = ""
    # False when it is another package than the one that this rollout is about.
    canary_is_ours: bool = True
    has_stable: bool
    stable_ready: bool = True
    stable_message: str = ""
    # None: the figures could not be read.
    canary: Counts | None
    stable: Counts | None
    # Of the traffic since the rollout began.
    evidence: Evidence = field(default_factory=Evidence)
    # None: not sent in this step yet, or not answered, which the message says.
    probes: ProbeFigures | None = None
    probes_message: str = ""
    # Of the same pictures, without labels, to both. None: as with the probes.
    flips: Flips | None = None
    replay_message: str = ""
    # Requests that the canary failed since the rollout began.
    canary_failed_in_all: int = 0
    # None: not asked since anything changed.
    gate: GateAnswer | None = None
    wishes: Wishes = NO_WISHES


@dataclass(frozen=True)
class Wait:
    """Look again after the plan's interval."""

    why: str


@dataclass(frozen=True)
class Hold:
    """As `Wait`, but something outside must change before it can go on: a person or traffic.

    ``awaits`` is the weight of the step that a person must approve.
    """

    why: str
    for_person: bool = False
    awaits: int | None = None


@dataclass(frozen=True)
class Probe:
    """Send the labelled probes to both revisions; all other evidence of this step is good."""

    why: str


@dataclass(frozen=True)
class Replay:
    """Send the same pictures to both revisions and compare what they say."""

    why: str


@dataclass(frozen=True)
class AskGates:
    """Ask the gates outside whether the next step may begin; the evidence is good."""

    why: str


@dataclass(frozen=True)
class SetMirror:
    """Begin to copy ``percent`` of stable's requests to the canary."""

    percent: int
    why: str


@dataclass(frozen=True)
class SetWeight:
    """Begin the step at ``percent``."""

    percent: int
    why: str


@dataclass(frozen=True)
class Promote:
    """Make the canary stable."""

    why: str


@dataclass(frozen=True)
class Rollback:
    """Send all traffic to stable and remove the canary."""

    why: str


@dataclass(frozen=True)
class Conclude:
    """End a shadow whose verdict is good: remove the canary, keep stable."""

    why: str


Action: TypeAlias = (
    Wait | Hold | Probe | Replay | AskGates | SetMirror | SetWeight | Promote | Conclude | Rollback
)
