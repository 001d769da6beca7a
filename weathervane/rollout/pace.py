"""How long a step takes at the present traffic. Pure.

In: a plan, a weight, and the requests a second that arrive. Out: seconds, and words for people.
"""

from math import inf

from weathervane.rollout.plan import Plan


def step_seconds(plan: Plan, weight: int, requests_per_second: float) -> float:
    """Seconds that a step at ``weight`` percent lasts; infinite when its requests never come."""
    to_canary = requests_per_second * weight / 100
    return max(
        plan.hold_seconds,
        _seconds(plan.min_requests, requests_per_second),
        _seconds(plan.min_canary_requests, to_canary),
    )


def time_needed(plan: Plan, weight: int, requests_per_second: float) -> str:
    """The estimate in words, to be put after a reason; what patience can't wait for is said."""
    seconds = step_seconds(plan, weight, requests_per_second)
    if seconds == inf:
        return ""
    said = f"; at the present traffic this step needs about {_duration(seconds)}"
    if seconds > plan.patience_seconds:
        said += f", more than the plan's patience of {_duration(plan.patience_seconds)}"
    return said


def _seconds(requests: int, per_second: float) -> float:
    if not requests:
        return 0.0
    return requests / per_second if per_second > 0 else inf


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
