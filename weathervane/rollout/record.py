"""One look at a rollout as an entry of its record: every figure, the decision and why."""

from typing import Any

from weathervane.rollout.actions import Action, Observed, SetMirror, SetWeight
from weathervane.rollout.counts import Counts
from weathervane.rollout.judgement import Flips, ProbeFigures


def figures(seen: Observed) -> dict[str, Any]:
    """The figures of one look, as plain JSON values; None stands for what could not be read."""
    return {
        "seconds_at_weight": round(seen.seconds_at_weight, 3),
        "canary": _traffic(seen.canary),
        "stable": _traffic(seen.stable),
        "mirror": seen.mirror,
        "p_values": {
            "errors": seen.evidence.errors.p_value,
            "retries": seen.evidence.retries.p_value,
            "errors_alone": seen.evidence.errors_alone.p_value,
            "slowness": seen.evidence.slowness.p_value,
            "shift": seen.evidence.shift.p_value,
        },
        "probes": _probes(seen.probes),
        "flips": _flips(seen.flips),
        "canary_failed_in_all": seen.canary_failed_in_all,
    }


def decision(action: Action) -> dict[str, Any]:
    """What was decided, and why."""
    to: dict[str, int] = {}
    if isinstance(action, SetWeight):
        to = {"to": action.percent}
    elif isinstance(action, SetMirror):
        to = {"mirror_to": action.percent}
    return {"decision": type(action).__name__, **to, "why": action.why}


def _traffic(counts: Counts | None) -> dict[str, Any] | None:
    if counts is None:
        return None
    p95 = counts.latency_quantile(0.95) if any(counts.latency) else None
    return {
        "requests": counts.requests,
        "errors": counts.errors,
        "retried": counts.retried,
        "p95_seconds": p95,
    }


def _probes(probes: ProbeFigures | None) -> dict[str, Any] | None:
    if probes is None:
        return None
    return {
        "total": probes.total,
        "canary_accuracy": probes.canary_accuracy,
        "stable_accuracy": probes.stable_accuracy,
        "p_value": probes.p_value,
    }


def _flips(flips: Flips | None) -> dict[str, Any] | None:
    if flips is None:
        return None
    return {"total": flips.total, "share": flips.share, "table": dict(flips.table)}
