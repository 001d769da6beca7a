"""What to do next with a rollout: a pure function of the plan and of what was seen.

No clock, network or file is known here. Rules stand in the order of their urgency, and the first
that matches wins. Missing evidence never promotes: it waits, and past the plan's patience it
takes the canary back.
"""

from weathervane.rollout.actions import (
    Action,
    AskGates,
    Conclude,
    Hold,
    Observed,
    Probe,
    Promote,
    Replay,
    Rollback,
    SetMirror,
    SetWeight,
    Wait,
)
from weathervane.rollout.counts import Counts
from weathervane.rollout.judgement import (
    ProbeFigures,
    failing,
    flipped,
    losing,
    misrouted,
    retrying,
    seems_slow,
    shifted,
    slow,
    told_retries,
)
from weathervane.rollout.pace import time_needed
from weathervane.rollout.plan import Plan, Strategy


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
        or retrying(plan, seen.evidence, canary, stable)
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
    if canary.retry_rate > plan.max_error_rate:
        return _lacking(plan, seen, _too_many_retries(canary, stable))
    if why := seems_slow(plan, canary, stable):
        return _lacking(plan, seen, Wait(why))
    # A copy is no share of the traffic.
    if not seen.mirror and (why := misrouted(plan, canary, stable, seen.weight)):
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


def _too_many_retries(canary: Counts, stable: Counts) -> Wait | Hold:
    said = told_retries(canary, stable)
    if canary.retry_rate <= stable.retry_rate:
        return Hold(f"{said}: something that they share is broken")
    return Wait(f"{said}: too few yet to tell it from chance")


def _lacking(plan: Plan, seen: Observed, otherwise: Wait | Hold) -> Action:
    """Wait for evidence, but not for ever. What a person takes to answer is not lost patience."""
    step = plan.after(seen.weight)
    approval = bool(step and step.pause and seen.wishes.approved != step.weight)
    if seen.wishes.pause is not None or (approval and seen.seconds_held > 0):
        # It was good when the waiting began, and is looked at again before anything goes on.
        why = f"{otherwise.why}, while a person is waited for"
        return Hold(why, for_person=True, awaits=step.weight if step and approval else None)
    if seen.seconds_at_weight - seen.seconds_held <= plan.patience_seconds:
        return otherwise
    if seen.weight > 0 and seen.has_stable and not seen.stable_ready:
        # Nothing is proven against the canary, and the way back leads to an outage.
        said = f"{otherwise.why}; stable is not ready: promote --force or abort"
        return Hold(said, for_person=True)
    return Rollback(f"{otherwise.why}, after {plan.patience_seconds:.0f} s")


def _judge_replay(plan: Plan, seen: Observed) -> Action | None:
    """An action if the replayed pictures allow no going on, else None."""
    if plan.min_replayed == 0 or seen.weight > 0 or not seen.has_stable:
        return None
    if seen.flips is None:
        if seen.replay_message and seen.seconds_at_weight > plan.start_seconds:
            return Rollback(
                f"the replayed pictures were not answered within {plan.start_seconds:.0f} s: "
                f"{seen.replay_message}"
            )
        return Replay(seen.replay_message or "the same pictures to both revisions")
    why = flipped(plan, seen.flips)
    return Rollback(why) if why else None


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
                f"a person must approve {step.weight} %",
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
    replayed = ""
    if seen.flips:
        replayed = f"; {seen.flips.share:.1%} of {seen.flips.total} replayed pictures flip"
    if seen.canary and seen.stable and (seen.weight > 0 or seen.mirror > 0):
        requests = seen.canary.requests + seen.stable.requests
        retried = f", {seen.canary.retried} at its second try" if seen.canary.retried else ""
        return (
            f"{requests} requests, {seen.canary.requests / max(requests, 1):.1%} to the canary, "
            f"{seen.canary.errors} failed by it{retried}; "
            f"probes: {_accuracies(seen.probes)}{replayed}"
        )
    return f"ready, and its probes hold ({_accuracies(seen.probes)}){replayed}"


def _accuracies(probes: ProbeFigures | None) -> str:
    if probes is None:
        return "none asked for"
    stable = probes.stable_accuracy
    against = "" if stable is None else f", stable {stable:.1%}"
    return f"canary {probes.canary_accuracy:.1%}{against} of {probes.total}"
