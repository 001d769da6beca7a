"""A rollout as Markdown, for the page of a CI run.

In: the record of rollouts. Out: one section of text.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weathervane.rollout.history import Past, moments_of, rollouts_of
from weathervane.rollout.timeline import TITLES, cells, steps_of


def markdown(service: str, record: Iterable[Mapping[str, Any]], rollout: str) -> str:
    """One rollout with its figures; pairs are canary / stable.

    Raises:
        KeyError: when the record does not hold it.
    """
    entries = list(record)
    past = {past.id: past for past in rollouts_of(entries)}[rollout]
    lines = [
        f"### Rollout of {service}: {told(past)}",
        "",
        _text(past.why),
        "",
        f"- package `{past.package}`",
        f"- strategy {past.strategy}, begun {past.begun_at} by {_text(past.begun_by)}",
        f"- rollout `{past.id}`",
        "",
        _row(TITLES),
        _row(["--:"] * (len(TITLES) - 1) + ["---"]),
        *(_row(cells(step)) for step in steps_of(entries, rollout)),
    ]
    people = [m for m in moments_of(entries, rollout) if m.what in _ASKED]
    if people:
        lines += ["", *(f"- {m.at} at {m.weight} %: {m.what}: {_text(m.why)}" for m in people)]
    return "\n".join(lines) + "\n"


def add_to(file: Path, text: str) -> None:
    """Put a section behind what a file holds: the way of GitHub's ``GITHUB_STEP_SUMMARY``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as summary:
        summary.write(f"{text}\n")


def told(past: Past) -> str:
    """How it ended, in words."""
    return {
        "promoted": "promoted",
        "rolled-back": "taken back",
        "concluded": "a good verdict; nothing was promoted",
    }.get(past.end or "", "not ended")


_ASKED = frozenset({"abort", "pause", "resume", "approve", "promote", "force"})


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(map(_text, values))} |"


def _text(words: str) -> str:
    """Words from outside as plain text: no tables, tags, links or lines of their own."""
    plain = " ".join(words.split())
    for mark in "\\|<>[]`*_":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
