"""The end of a rollout in Markdown, as pipelines and continuous integration show it. Pure.

In: an `Outcome` and the rollout record. Out: text with a table of the steps and their figures.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from weathervane.rollout.loop import Outcome
from weathervane.rollout.timeline import Step, steps_of

_HEAD = "| weight | requests | to canary | failed | p95, ms | probes right | then |"


def as_markdown(outcome: Outcome, record: Iterable[Mapping[str, Any]]) -> str:
    """Tell how it ended and why; pairs in the table are canary / stable."""
    ended = "promoted" if outcome.promoted else "taken back"
    state = outcome.state
    if state is None:
        return f"# Rollout: nothing to do\n\n{_plain(outcome.why)}.\n"
    lines = [
        f"# Rollout {state.id}: {ended}\n",
        f"Package `{state.release.digest}`, begun by {_plain(state.begun_by)} at "
        f"{state.begun_at}.\n",
        f"**{ended.capitalize()}**: {_plain(outcome.why)}.\n",
        *(_HEAD, "|" + "---:|" * (_HEAD.count("|") - 2) + "---|"),
        *(_row(step) for step in steps_of(record, state.id)),
    ]
    return "\n".join(lines) + "\n"


def _row(step: Step) -> str:
    cells = (
        f"{step.weight} %",
        f"{step.requests}",
        _percent(step.share),
        f"{step.canary_errors} / {step.stable_errors}",
        f"{_milliseconds(step.canary_p95)} / {_milliseconds(step.stable_p95)}",
        f"{_percent(step.canary_accuracy)} / {_percent(step.stable_accuracy)}",
        f"{step.decision}: {_plain(step.why)}",
    )
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Words of people and servers, on one line and without Markdown of their own."""
    return " ".join(text.split()).translate({ord(mark): f"\\{mark}" for mark in "\\`*_[]<>|#"})


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f}"
