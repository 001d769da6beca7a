"""What a ``bench-*`` or ``soak-*`` target measured: a table in the terminal and in the docs.

In: figures with their bounds. Out: a section of ``docs/figures.md``, and an exit code.
"""

import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

FIGURES = Path(__file__).parents[2] / "docs" / "figures.md"
_LOG_COLUMNS = 160
_TITLE = (
    "# Figures\n\nMeasured by the commands that head each section; running one again replaces "
    "its section.\n"
)


@dataclass(frozen=True)
class Figure:
    """One figure as shown, the bound that it must hold, and whether it does."""

    name: str
    shown: str
    bound: str
    ok: bool


def at_most(name: str, value: float, bound: float, unit: str = "") -> Figure:
    return Figure(name, f"{value:g}{unit}", f"≤ {bound:g}{unit}", value <= bound)


def at_least(name: str, value: float, bound: float, unit: str = "") -> Figure:
    return Figure(name, f"{value:g}{unit}", f"≥ {bound:g}{unit}", value >= bound)


def holds(name: str, shown: str, bound: str, ok: bool) -> Figure:
    return Figure(name, shown, bound, ok)


def noted(name: str, shown: str) -> Figure:
    """A figure without a bound."""
    return Figure(name, shown, "", True)


def publish(command: str, figures: Sequence[Figure], note: str = "", path: Path = FIGURES) -> int:
    """Print the table, replace the section of ``command``, and return the exit code."""
    table = Table("figure", "measured", "bound", "ok", title=command, title_justify="left")
    for figure in figures:
        table.add_row(figure.name, figure.shown, figure.bound, "yes" if figure.ok else "NO")
    # In a log nobody reads a table that is folded to 80 columns.
    Console(width=None if sys.stdout.isatty() else _LOG_COLUMNS).print(table)
    section = _section(command, figures, note)
    text = path.read_text(encoding="utf-8") if path.exists() else _TITLE
    pattern = re.compile(rf"^## `{re.escape(command)}`\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
    return 0 if all(figure.ok for figure in figures) else 1


def _section(command: str, figures: Sequence[Figure], note: str) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    lines = [
        f"## `{command}`\n",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}.{f' {note}' * bool(note)}\n",
    ]
    lines += ["| figure | measured | bound | ok |", "|---|---|---|---|"]
    lines += [
        f"| {figure.name} | {figure.shown} | {figure.bound} | {'yes' if figure.ok else '**no**'} |"
        for figure in figures
    ]
    return "\n".join(lines) + "\n\n"
