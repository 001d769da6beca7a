"""A plan in words: what it does, what its probes can see, how long it takes. Pure.

In: a plan, the number of probes, the traffic as it is now. Out: lines for people.
"""

from collections.abc import Iterator

from weathervane.rollout import pace
from weathervane.rollout.plan import Plan, Strategy
from weathervane.rollout.power import (
    probe_power,
    probes_needed,
    requests_to_see_errors,
    visible_loss,
)
from weathervane.rollout.webhook import HookKind


def explain(
    plan: Plan, *, probes: int | None = None, requests_per_second: float | None = None
) -> list[str]:
    """Explain a plan.

    Args:
        plan: what is to be explained.
        probes: how many labelled pictures there are; None: as few as the plan asks for.
        requests_per_second: what clients send now; None when nobody knows.
    """
    given = plan.min_probes if probes is None else probes
    return [
        *_beginning(plan),
        *_sight(plan, given),
        *_middle(plan, requests_per_second),
        *_end(plan),
        *_time(plan, requests_per_second),
    ]


def step_seconds(plan: Plan, weight: int, requests_per_second: float) -> float:
    """How long a step takes at least; weight 0 is the mirrored step of a shadow."""
    if weight:
        return plan.settle_seconds + pace.step_seconds(plan.at(weight), weight, requests_per_second)
    share = plan.mirror_percent / 100
    # Copies come on top of the clients' requests.
    seen, weight = requests_per_second * (1 + share), round(100 * share / (1 + share))
    return plan.settle_seconds + pace.step_seconds(plan, weight, seen)


def minutes(seconds: float) -> str:
    """A duration in words: seconds below two minutes, else whole minutes."""
    if seconds == float("inf"):
        return "for ever"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _beginning(plan: Plan) -> Iterator[str]:
    yield {
        Strategy.CANARY: f"canary: {_steps(plan)} of the traffic, step by step",
        Strategy.BLUE_GREEN: "blue-green: one switch from 0 % to 100 % of the traffic; the old "
        "revision is kept warm until the promotion, and the way back is instant",
        Strategy.SHADOW: "shadow: the new revision serves nobody",
    }[plan.strategy]
    yield (
        f"at 0 %: the new revision has {minutes(plan.start_seconds)} to be ready"
        + (
            f"; it must label at least {plan.min_probes} probes, "
            f"{plan.min_probe_accuracy:.0%} of them rightly, and lose at most "
            f"{plan.max_probe_loss:.0%} against stable"
            if plan.min_probes
            else "; no probes are sent: wrong labels go unseen"
        )
    )
    if plan.min_replayed:
        yield (
            f"at 0 %: at least {plan.min_replayed} pictures go to both revisions; it may label "
            f"{plan.max_flip_share:.0%} of them otherwise than stable"
        )


def _sight(plan: Plan, probes: int) -> Iterator[str]:
    """What the probes can and cannot see."""
    if not plan.min_probes:
        return
    least = visible_loss(plan, probes=probes, disagreement=0.5)
    if least is None:
        yield (
            f"{probes} probes cannot prove any loss against stable; only the bound of "
            f"{plan.min_probe_accuracy:.0%} stands"
        )
    for loss in (0.05, 0.1, 0.2):
        found = probe_power(plan, probes=probes, loss=loss, disagreement=1.5 * loss)
        needed = probes_needed(plan, loss=loss, disagreement=1.5 * loss)
        more = f"; {needed} probes find it in 95" if needed and needed > probes else ""
        yield (
            f"{probes} probes find a loss of {loss:.0%} of accuracy in {100 * found:.0f} of 100 "
            f"rollouts{more}"
        )
    yield "probes do not see what they do not show: a class or kind of picture that is not in them"


def _middle(plan: Plan, rate: float | None) -> Iterator[str]:
    if plan.mirror_percent:
        yield (
            f"mirrored: copies of {plan.mirror_percent} % of stable's requests go to it, its "
            f"answers to nobody{_needs(plan, 0, rate)}"
        )
    for stage in plan.stages:
        first = "a person approves first; " if stage.pause else ""
        yield f"at {stage.weight} %: {first}{_needs(plan, stage.weight, rate).lstrip(': ')}"
    # At 100 % there is nothing to compare with.
    if shares := [weight for weight in plan.weights if weight < 100]:
        yield _errors_seen(plan, shares[0])
    if plan.weights or plan.mirror_percent:
        yield (
            f"taken back at once: when it stops being ready, when it has failed "
            f"{plan.max_failed_requests} requests in all, when its error rate is above "
            f"{plan.max_error_rate:.1%} and above stable's, when its p95 is above "
            f"{plan.max_latency_ratio:g} times stable's + {plan.latency_slack_seconds * 1000:.0f} "
            f"ms; and after {minutes(plan.patience_seconds)} at a step without enough evidence"
        )


def _errors_seen(plan: Plan, weight: int) -> str:
    """How soon a canary that fails more is found out, by examples."""
    few, many = (
        requests_to_see_errors(plan, weight=weight, stable=0.005, canary=rate)
        for rate in (0.02, 0.05)
    )
    return (
        f"beside a stable with 0.5 % of errors, at {weight} %: a revision with 2 % is proven worse "
        f"by about {few:,.0f} requests, one with 5 % by {many:,.0f}"
    )


def _needs(plan: Plan, weight: int, rate: float | None) -> str:
    at = plan.at(weight)
    said = (
        f": at least {at.min_requests} requests, {at.min_canary_requests} of them by the new "
        f"revision, and {minutes(at.hold_seconds)}"
    )
    if rate is None:
        return said
    takes = step_seconds(plan, weight, rate)
    if takes > plan.patience_seconds:
        return (
            f"{said}; at the present traffic this step needs {minutes(takes)}, and the plan's "
            f"patience ends after {minutes(plan.patience_seconds)}: it would be taken back"
        )
    return f"{said}; about {minutes(takes)} at the present traffic"


def _end(plan: Plan) -> Iterator[str]:
    for hook in plan.webhooks:
        if hook.kind is HookKind.GATE:
            yield f"gate {hook.name} must answer 2xx before each step and before the promotion"
        else:
            yield f"{hook.name} is told of each decision"
    if plan.strategy is Strategy.SHADOW and not plan.promote:
        yield "at the end: a verdict; the new revision is removed, stable stays"
    else:
        yield "at the end: the new revision is stable, and the old one is stopped"


def _time(plan: Plan, rate: float | None) -> Iterator[str]:
    weights = plan.weights or ((0,) if plan.mirror_percent else ())
    if not weights:
        return
    if rate is None:
        yield "how long it takes depends on the traffic, which is not known"
        return
    whole = sum(step_seconds(plan, weight, rate) for weight in weights)
    people = ", and the time that people take" if any(s.pause for s in plan.stages) else ""
    yield f"in all: {minutes(whole)} at {rate:.1f} requests/s, besides its start{people}"


def _steps(plan: Plan) -> str:
    return ", ".join(f"{weight} %" for weight in plan.weights)
