"""What to do next with a rollout: a pure function of the plan and of what was seen.

No clock, network or file is known here. Rules stand in the order of their urgency, and the first
that matches wins. Missing evidence never promotes: it waits, and past the plan's patience it
takes the canary back.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from weathervane.rollout.counts import Counts
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.judgement import (
    Flips,
    ProbeFigures,
    failing,
    flipped,
    losing,
    misrouted,
    shifted,
    slow,
)
from weathervane.rollout.pace import time_needed
from weathervane.rollout.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One look at a rollout. Figures are those of the present step unless they say otherwise."""

    weight: int
    seconds_at_weight: float
    # The canary as the platform reports it; None when it is not there at all.
    canary_ready: bool | None
    canary_message: str = ""
    has_stable: bool
    # None: the figures could not be read.
    canary: Counts | None
    stable: Counts | None
    # Of the traffic since the rollout began.
    evidence: Evidence = field(default_factory=Evidence)
    # None: not sent in this step yet, or not answered, which the message says.
    probes: ProbeFigures | None = None
    probes_message: str = ""
    # Of pictures without labels, replayed to both; None: none were.
    flips: Flips | None = None
    # Requests that the canary failed since the rollout began.
    canary_failed_in_all: int = 0
    # Somebody wants this to end; who and why.
    abort: str | None = None


@dataclass(frozen=True)
class Wait:
    """Look again after the plan's interval."""

    why: str


@dataclass(frozen=True)
class Hold:
    """As `Wait`, but something outside must change before it can go on: a person or traffic."""

    why: str


@dataclass(frozen=True)
class Probe:
    """Send the labelled probes to both revisions; all other evidence of this step is good."""

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


Action: TypeAlias = Wait | Hold | Probe | SetWeight | Promote | Rollback


def decide(plan: Plan, seen: Observed) -> Action:
    """Decide the next action, with its reason in words and figures."""
    if seen.abort is not None:
        return Rollback(f"aborted: {seen.abort}")
    if seen.canary_ready is None:
        return Rollback("the canary is gone: something outside of this rollout removed it")
    if not seen.canary_ready:
        return _unready(plan, seen)
    # What users feel comes before what probes cost: a canary that fails is not probed any more.
    if seen.weight > 0 and (action := _judge_traffic(plan, seen)):
        return action
    if action := _judge_probes(plan, seen):
        return action
    if seen.flips and (why := flipped(plan, seen.flips)):
        return Rollback(why)
    if not seen.has_stable:
        return Promote(f"first deployment: ready, and its probes hold ({_accuracies(seen.probes)})")
    return _advance(plan, seen)


def _unready(plan: Plan, seen: Observed) -> Action:
    said = f": {seen.canary_message}" if seen.canary_message else ""
    if seen.weight > 0:
        return Rollback(f"the canary stopped being ready at {seen.weight} %{said}")
    if seen.seconds_at_weight > plan.start_seconds:
        return Rollback(f"the canary was not ready within {plan.start_seconds:.0f} s{said}")
    return Wait(f"the canary starts{said}")


def _judge_probes(plan: Plan, seen: Observed) -> Action | None:
    """An action if the probes allow no going on, else None."""
    if plan.min_probes == 0:
        return None
    probes = seen.probes
    if probes is None:
        allowed = plan.start_seconds if seen.weight == 0 else plan.patience_seconds
        if seen.probes_message and seen.seconds_at_weight > allowed:
            return Rollback(
                f"the probes were not answered within {allowed:.0f} s: {seen.probes_message}"
            )
        return Probe(seen.probes_message or f"labelled probes at {seen.weight} %")
    if probes.total < plan.min_probes:
        return Rollback(f"{probes.total} probes are too few, the plan asks for {plan.min_probes}")
    why = losing(plan, probes)
    return Rollback(why) if why else None


def _judge_traffic(plan: Plan, seen: Observed) -> Action | None:
    """An action if the traffic of this step allows no going on, else None."""
    # Before anything that could wait: what harms users ends at once.
    if seen.canary_failed_in_all >= plan.max_failed_requests:
        return Rollback(
            f"the canary failed {seen.canary_failed_in_all} requests, "
            f"the plan allows fewer than {plan.max_failed_requests}"
        )
    if seen.canary is None or seen.stable is None:
        missing = "canary" if seen.canary is None else "stable revision"
        return _lacking(plan, seen, Wait(f"the figures of the {missing} cannot be read"))
    canary, stable = seen.canary, seen.stable
    if why := (
        failing(plan, seen.evidence, canary, stable)
        or slow(plan, seen.evidence, canary, stable)
        or shifted(plan, seen.evidence)
    ):
        return Rollback(why)

    requests = canary.requests + stable.requests
    if requests == 0:
        return _lacking(plan, seen, Hold(f"no traffic at all at {seen.weight} %"))
    # Too little traffic proves nothing in either direction.
    if requests < plan.min_requests or canary.requests < plan.min_canary_requests:
        return _lacking(
            plan,
            seen,
            Wait(
                f"{requests} of {plan.min_requests} requests seen, {canary.requests} of "
                f"{plan.min_canary_requests} by the canary"
                f"{time_needed(plan, seen.weight, requests / max(seen.seconds_at_weight, 1e-9))}"
            ),
        )
    # Too many failures do not go on, whether or not chance can explain them.
    if canary.error_rate > plan.max_error_rate:
        return _lacking(plan, seen, _too_many_errors(canary, stable))
    if why := misrouted(plan, canary, stable, seen.weight):
        return _lacking(plan, seen, Wait(why))
    if (idle := seen.evidence.idle_looks * plan.interval_seconds) > plan.stale_seconds:
        return _lacking(plan, seen, Wait(f"no new request of the canary for {idle:.0f} s"))
    if seen.seconds_at_weight < plan.hold_seconds:
        return Wait(f"holds {seen.weight} % for {plan.hold_seconds:.0f} s")
    return None


def _too_many_errors(canary: Counts, stable: Counts) -> Wait | Hold:
    said = f"the canary fails {canary.error_rate:.2%} of its requests"
    if canary.error_rate <= stable.error_rate:
        return Hold(
            f"{said}, but so does stable ({stable.error_rate:.2%}): something that they share "
            "is broken"
        )
    return Wait(f"{said}, stable {stable.error_rate:.2%}: too few yet to tell it from chance")


def _lacking(plan: Plan, seen: Observed, otherwise: Wait | Hold) -> Action:
    """Wait for evidence, but not for ever."""
    if seen.seconds_at_weight > plan.patience_seconds:
        return Rollback(f"{otherwise.why}, after {plan.patience_seconds:.0f} s")
    return otherwise


def _advance(plan: Plan, seen: Observed) -> Action:
    why = f"ready, and its probes hold ({_accuracies(seen.probes)})"
    if seen.weight > 0 and seen.canary and seen.stable:
        requests = seen.canary.requests + seen.stable.requests
        why = (
            f"{requests} requests, {seen.canary.requests / requests:.1%} to the canary, "
            f"{seen.canary.errors} failed by it; probes: {_accuracies(seen.probes)}"
        )
    later = [step for step in plan.steps if step > seen.weight]
    return SetWeight(later[0], why) if later else Promote(why)


def _accuracies(probes: ProbeFigures | None) -> str:
    if probes is None:
        return "none asked for"
    stable = probes.stable_accuracy
    against = "" if stable is None else f", stable {stable:.1%}"
    return f"canary {probes.canary_accuracy:.1%}{against} of {probes.total}"
