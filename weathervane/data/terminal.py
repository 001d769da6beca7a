"""What ``weathervane data …`` shows in a terminal: progress, and what was found."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from weathervane.data.words import count_of

if TYPE_CHECKING:
    from weathervane.data.report import Report
    from weathervane.data.shift import Shift

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
_SHIFTS_SHOWN = 20


def progress() -> Progress:
    """A bar that is seen in a terminal only."""
    # On stderr, so that a pipe gets the figures only; without a terminal there is none to move.
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def told(bar: Progress, what: str) -> Callable[[int, int], None]:
    """A line of the bar, as what it is to be told: how many of how many are done."""
    task = bar.add_task(what)
    return lambda done, total: bar.update(task, completed=done, total=total)


def show(report: "Report", name: str) -> None:
    """What was found, in the manner of a linter; ``name`` is what the pictures are called."""
    console = Console(highlight=False)
    usable = ", ".join(f"{label} {each.usable}" for label, each in report.classes.items())
    files = sum(each.files for each in report.classes.values())
    console.print(
        escape(f"{name}: {count_of(files, 'file')}; usable: {usable or 'none'}"), soft_wrap=True
    )
    if report.findings:
        table = Table.grid(padding=(0, 2))
        for each in report.findings:
            severity = f"[{_COLOURS[each.severity]}]{each.severity}[/]"
            lines = [escape(each.message)]
            if each.examples:
                lines.append(f"[dim]such as {escape(' = '.join(each.examples[0]))}[/]")
            lines.append(f"[dim]->[/] {escape(each.recommendation)}")
            table.add_row(each.code, severity, "\n".join(lines))
        console.print(table)
    figures = (count_of(report.count(kind), kind) for kind in ("error", "warning"))
    console.print(", ".join((*figures, f"{report.count('info')} for information")))


def show_shift(found: "Shift") -> None:
    """What moved, the worst first."""
    console = Console(highlight=False)
    table = Table("feature", "class", "PSI", "KS", "Wasserstein", "median", "", box=None)
    for each in found.moved[:_SHIFTS_SHOWN]:
        figures = ("-",) * 3
        if each.ks is not None:
            figures = (
                f"{each.ks:.2f}",
                f"{each.wasserstein:.2f}",
                f"{each.before:.2f} -> {each.now:.2f}",
            )
        severity = f"[{_COLOURS[each.severity]}]{each.severity}[/]"
        label = escape(each.label or "all")
        table.add_row(each.feature, label, f"{each.psi:.2f}", *figures, severity)
    if found.moved:
        console.print(table)
    console.print(
        f"{len(found.moved)} of {count_of(len(found.differences), 'comparison')} differ by more "
        "than chance and bounds allow"
    )
