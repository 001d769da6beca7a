"""What to do next with a rollout: a pure function of the plan and of what was seen.

No clock, network or file is known here. Rules stand in the order of their urgency, and the first
that matches wins. Missing evidence never promotes: it waits, and past the plan's patience it
takes the canary back.
"""

from dataclasses import dataclass
from typing import TypeAlias

from weathervane.rollout.counts import Counts
from weathervane.rollout.judgement import ProbeFigures, errors_p_value, split_p_value
from weathervane.rollout.plan import Plan, Strategy
from weathervane.rollout.replay import ReplayFigures
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
    # None: not sent in this step yet, or not answered, which the message says.
    probes: ProbeFigures | None = None
    probes_message: str = ""
    # The same pictures to both revisions. None: as with the probes.
    replay: ReplayFigures | None = None
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


def decide(plan: Plan, seen: Observed) -> Action:
    """Decide the next action, with its reason in words and figures."""
    action = _decide(plan.at(seen.weight), seen)
    if isinstance(action, Rollback) and seen.has_stable and not seen.stable_ready:
        # It is still what was there before, but nobody shall read "taken back" as "safe".
        said = f": {seen.stable_message}" if seen.stable_message else ""
        return Rollback(f"{action.why}; stable is not ready itself{said}: it is no safe way back")
    return action


def _decide(plan: Plan, seen: Observed) -> Action:
    if seen.wishes.abort is not None:
        return Rollback(f"aborted: {seen.wishes.abort}")
    if seen.canary_ready is None:
        return Rollback("the canary is gone: something outside of this rollout removed it")
    if not seen.canary_is_ours:
        return Rollback("the canary is another package: something outside of this rollout put it")
    if not seen.canary_ready:
        return _unready(plan, seen)
    if seen.wishes.force is not None:
        return Promote(f"forced: {seen.wishes.force}")
    # What users feel comes before what probes cost: a canary that fails is not probed any more.
    if (seen.weight > 0 or seen.mirror > 0) and (action := _judge_traffic(plan, seen)):
        return action
    if action := _judge_probes(plan, seen):
        return action
    if action := _judge_replay(plan, seen):
        return action
    return _advance(plan, seen, _goal(plan, seen))


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
    # A copy is not a share of the traffic.
    if not seen.mirror and split_p_value(seen.canary, seen.stable, seen.weight) < plan.significance:
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
    """Wait for evidence, but not for ever. What a person takes to answer is not lost patience."""
    if seen.seconds_at_weight - seen.seconds_held > plan.patience_seconds:
        if seen.weight > 0 and seen.has_stable and not seen.stable_ready:
            # Nothing is proven against the canary, and the way back leads to an outage.
            said = f"{otherwise.why}; stable is not ready: promote --force or abort"
            return Hold(said, for_person=True)
        return Rollback(f"{otherwise.why}, after {plan.patience_seconds:.0f} s")
    return otherwise


def _judge_replay(plan: Plan, seen: Observed) -> Action | None:
    """An action if the replayed pictures allow no going on, else None."""
    if plan.min_replayed == 0 or seen.weight > 0 or not seen.has_stable:
        return None
    if seen.replay is None:
        if seen.replay_message and seen.seconds_at_weight > plan.start_seconds:
            return Rollback(
                f"the replayed pictures were not answered within {plan.start_seconds:.0f} s: "
                f"{seen.replay_message}"
            )
        return Replay(seen.replay_message or "the same pictures to both revisions")
    if seen.replay.flip_share > plan.max_flip_share:
        return Rollback(f"{seen.replay.told}; the plan allows {plan.max_flip_share:.0%}")
    return None


def _goal(plan: Plan, seen: Observed) -> SetMirror | SetWeight | Promote | Conclude:
    """Where good evidence leads."""
    why = _evidence(seen)
    if not seen.has_stable:
        return Promote(f"first deployment: {why}")
    if plan.strategy is Strategy.SHADOW:
        if plan.mirror_percent and not seen.mirror:
            return SetMirror(plan.mirror_percent, why)
        if plan.promote or seen.wishes.promote is not None:
            return Promote(why)
        return Conclude(why)
    if seen.wishes.promote is not None and seen.weight > 0:
        return Promote(f"{why}; the rest left out: {seen.wishes.promote}")
    step = plan.after(seen.weight)
    return SetWeight(step.weight, why) if step else Promote(why)


def _advance(
    plan: Plan, seen: Observed, goal: SetMirror | SetWeight | Promote | Conclude
) -> Action:
    """Go there, unless a person or a gate stands before it."""
    if seen.wishes.pause is not None:
        return Hold(f"paused: {seen.wishes.pause}", for_person=True)
    if isinstance(goal, SetWeight):
        step = plan.after(seen.weight)
        if step and step.pause and seen.wishes.approved != step.weight:
            return Hold(
                f"a person must approve {step.weight} %: {goal.why}",
                for_person=True,
                awaits=step.weight,
            )
    if (
        plan.has_gates
        and isinstance(goal, SetWeight | Promote)
        and not (seen.gate and seen.gate.open)
    ):
        shut = Hold(f"gate: {seen.gate.message}") if seen.gate else None
        if shut and isinstance(action := _lacking(plan, seen, shut), Rollback):
            return action
        return AskGates(f"gates before {_named(goal)}")
    return goal


def _named(goal: SetWeight | Promote) -> str:
    return f"{goal.percent} %" if isinstance(goal, SetWeight) else "the promotion"


def _evidence(seen: Observed) -> str:
    replayed = f"; {seen.replay.told}" if seen.replay else ""
    if seen.canary and seen.stable and (seen.weight > 0 or seen.mirror > 0):
        requests = seen.canary.requests + seen.stable.requests
        return (
            f"{requests} requests, {seen.canary.requests / max(requests, 1):.1%} to the canary, "
            f"{seen.canary.errors} failed by it; probes: {_accuracies(seen.probes)}{replayed}"
        )
    return f"ready, and its probes hold ({_accuracies(seen.probes)}){replayed}"


def _accuracies(probes: ProbeFigures | None) -> str:
    if probes is None:
        return "none asked for"
    stable = probes.stable_accuracy
    against = "" if stable is None else f", stable {stable:.1%}"
    return f"canary {probes.canary_accuracy:.1%}{against} of {probes.total}"
