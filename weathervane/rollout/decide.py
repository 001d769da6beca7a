"""What to do next with a rollout: a pure function of the plan and of what was seen.

No clock, network or file is known here. Rules stand in the order of their urgency, and the first
that matches wins. Missing evidence never promotes: it waits, and past the plan's patience it
takes the canary back.
"""

from dataclasses import dataclass
from typing import TypeAlias

from weathervane.rollout.counts import Counts
from weathervane.rollout.judgement import ProbeFigures, errors_p_value, split_p_value
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
    # None: not sent in this step yet, or not answered, which the message says.
    probes: ProbeFigures | None = None
    probes_message: str = ""
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
    if probes.canary_accuracy < plan.min_probe_accuracy and not _stable_is_as_bad(probes):
        return Rollback(
            f"the canary is right on {probes.canary_accuracy:.1%} of {probes.total} labelled "
            f"probes, the plan asks for {plan.min_probe_accuracy:.0%}"
        )
    loss = (probes.stable_accuracy or 0.0) - probes.canary_accuracy
    if loss > plan.max_probe_loss and probes.p_value < plan.significance:
        return Rollback(
            f"the canary loses {loss:.1%} of accuracy on {probes.total} labelled probes "
            f"({_accuracies(probes)}, p = {probes.p_value:.1g}); "
            f"the plan allows {plan.max_probe_loss:.0%}"
        )
    return None


def _stable_is_as_bad(probes: ProbeFigures) -> bool:
    """Whether refusing the canary would only keep something that is no better."""
    stable = probes.stable_accuracy
    return stable is not None and stable <= probes.canary_accuracy


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
    if action := _judge_errors(plan, seen.canary, seen.stable):
        return action

    requests = seen.canary.requests + seen.stable.requests
    if requests == 0:
        return _lacking(plan, seen, Hold(f"no traffic at all at {seen.weight} %"))
    # Too little traffic proves nothing in either direction.
    if requests < plan.min_requests or seen.canary.requests < plan.min_canary_requests:
        return _lacking(
            plan,
            seen,
            Wait(
                f"{requests} of {plan.min_requests} requests seen, {seen.canary.requests} of "
                f"{plan.min_canary_requests} by the canary"
            ),
        )
    if action := _judge_latency(plan, seen.canary, seen.stable):
        return action
    if seen.canary.error_rate > plan.max_error_rate:
        return _lacking(
            plan,
            seen,
            Hold(
                f"the canary fails {seen.canary.error_rate:.2%} of its requests, but so does "
                f"stable ({seen.stable.error_rate:.2%}): something that they share is broken"
            ),
        )
    share = seen.canary.requests / requests
    if split_p_value(seen.canary, seen.stable, seen.weight) < plan.significance:
        return _lacking(
            plan,
            seen,
            Wait(
                f"the canary gets {share:.1%} of {requests} requests, "
                f"not the {seen.weight} % asked for"
            ),
        )
    if seen.seconds_at_weight < plan.hold_seconds:
        return Wait(f"holds {seen.weight} % for {plan.hold_seconds:.0f} s")
    return None


def _judge_errors(plan: Plan, canary: Counts, stable: Counts) -> Rollback | None:
    if canary.error_rate <= max(plan.max_error_rate, stable.error_rate):
        return None
    p_value = errors_p_value(canary, stable)
    # With all traffic on the canary there is no stable to compare with: the bound alone counts,
    # once there is enough to take a rate.
    alone = stable.requests < plan.min_canary_requests <= canary.requests
    # At the end of a step the bound stands by itself as well.
    complete = canary.requests + stable.requests >= plan.min_requests
    if p_value >= plan.significance and not alone and not complete:
        return None
    return Rollback(
        f"the canary failed {canary.errors} of {canary.requests} requests "
        f"({canary.error_rate:.1%}), stable {stable.errors} of {stable.requests} "
        f"({stable.error_rate:.1%}), p = {p_value:.1g}"
    )


def _judge_latency(plan: Plan, canary: Counts, stable: Counts) -> Rollback | None:
    if stable.requests < plan.min_canary_requests:
        return None
    slow, usual = canary.latency_quantile(0.95), stable.latency_quantile(0.95)
    bound = usual * plan.max_latency_ratio + plan.latency_slack_seconds
    if slow <= bound:
        return None
    return Rollback(
        f"the canary's p95 is {slow * 1000:.0f} ms, stable's {usual * 1000:.0f} ms; "
        f"the plan allows {bound * 1000:.0f} ms"
    )


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
