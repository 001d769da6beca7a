"""The end of a rollout in Markdown, as pipelines and continuous integration show it. Pure.

In: an `Outcome` and the rollout record. Out: text with a table of the steps and their figures.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from weathervane.rollout.history import in_words, moments_of
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.timeline import TITLES, cells, steps_of
from weathervane.rollout.wishes import Kind

_ASKED = frozenset(kind.value for kind in Kind)


def as_markdown(outcome: Outcome, record: Iterable[Mapping[str, Any]]) -> str:
    """Tell how it ended and why; pairs in the table are canary / stable."""
    state = outcome.state
    if state is None:
        return f"# Rollout: nothing to do\n\n{_plain(outcome.why)}.\n"
    entries = list(record)
    ended = in_words(state.phase)
    lines = [
        f"# Rollout {state.id}: {ended}\n",
        f"Package `{state.release.digest}`, strategy {state.plan.strategy}, begun by "
        f"{_plain(state.begun_by)} at {state.begun_at}.\n",
        f"**{ended.capitalize()}**: {_plain(outcome.why)}.\n",
        _row(TITLES),
        f"|{'---:|' * (len(TITLES) - 1)}---|",
    ]
    for step in steps_of(entries, state.id):
        *figures, decided = cells(step)
        lines.append(_row([*figures, f"{decided}: {_plain(step.why)}"]))
    asked = [moment for moment in moments_of(entries, state.id) if moment.what in _ASKED]
    if asked:
        lines += ["", *(f"- {m.what} at {m.weight} %, {m.at}: {_plain(m.why)}" for m in asked)]
    return "\n".join(lines) + "\n"


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"


def _plain(text: str) -> str:
    """Words of people and servers, on one line and without Markdown of their own."""
    return " ".join(text.split()).translate({ord(mark): f"\\{mark}" for mark in "\\`*_[]<>|#"})
