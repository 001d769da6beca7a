"""``weathervane data …``: make sample pictures, and check pictures."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from weathervane.config import ValidationConfig, from_mapping, read_yaml
from weathervane.data.words import count_of
from weathervane.errors import DataError

if TYPE_CHECKING:
    from weathervane.data.report import Report

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}

app = typer.Typer(help="Make sample pictures; check your own.", no_args_is_help=True)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="A new folder for the class folders.")],
    pictures: Annotated[int, typer.Option(min=1, help="How many, over all classes.")] = 900,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
) -> None:
    """Draw weather scenes: cloudy, foggy, rainy, snowy and sunny."""
    from weathervane.data.scenes import write_sample

    with _progress() as bar:
        task = bar.add_task("drawing", total=pictures)
        write_sample(folder, pictures, seed, lambda drawn: bar.advance(task, drawn))
    Console(highlight=False, soft_wrap=True).print(f"{pictures} pictures in {folder}")


@app.command()
def validate(
    folder: Annotated[
        str, typer.Argument(help="Class folders, a zip, tar or table of them, or s3://bucket/….")
    ],
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Write report.json and report.html into this folder."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML: what stops the pipeline, e.g. min_classes: 3.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are refused as well.")] = False,
) -> None:
    """Check pictures before training on them; exits with 3 when they cannot be used."""
    from weathervane.data.sources import local_source
    from weathervane.data.validation import validate as look

    config = (
        from_mapping(ValidationConfig, read_yaml(settings), str(settings))
        if settings
        else ValidationConfig()
    )
    with TemporaryDirectory() as downloads, _progress() as bar:
        task = bar.add_task("looking")
        report = look(
            local_source(folder, Path(downloads) / "pictures"),
            config,
            lambda done, total: bar.update(task, completed=done, total=total),
            source=folder,
        )
        if out:
            report.write(out)
    _show(report, folder)
    if out:
        Console(highlight=False, soft_wrap=True).print(f"report: {out / 'report.html'}")
    _stop(report, strict)


def _stop(report: "Report", strict: bool) -> None:
    errors, warnings = report.count("error"), report.count("warning")
    if errors:
        raise DataError(
            f"{report.name} cannot be trained on: {count_of(errors, 'error')}, see above"
        )
    if strict and warnings:
        raise DataError(f"{report.name}: {count_of(warnings, 'warning')}, see above; --strict")


def _progress() -> Progress:
    # On stderr, so that a pipe gets the figures only; without a terminal there is none to move.
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _show(report: "Report", folder: str) -> None:
    console = Console(highlight=False)
    usable = ", ".join(f"{label} {each.usable}" for label, each in report.classes.items())
    files = sum(each.files for each in report.classes.values())
    console.print(
        escape(f"{folder}: {count_of(files, 'file')}; usable: {usable or 'none'}"), soft_wrap=True
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
