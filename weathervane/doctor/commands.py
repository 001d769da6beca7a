"""``weathervane doctor``: look for what would go wrong on a cluster."""

from pathlib import Path
from typing import Annotated

import typer

from weathervane.errors import ExitCode


def doctor(
    path: Annotated[Path, typer.Argument(help="A folder of manifests, or one file.")],
) -> None:
    """Find what KServe would ignore or refuse in manifests, each with its cure (2 if any)."""
    from weathervane.doctor.checks import examine
    from weathervane.doctor.manifests import read_manifests

    manifests = read_manifests(path)
    findings = examine(manifests)
    for finding in findings:
        typer.echo(f"{finding.where}\n    {finding.what}\n    cure: {finding.cure}")
    count = sum(1 for _ in manifests)
    typer.echo(f"{count} objects, {len(findings) or 'nothing'} found")
    raise typer.Exit(ExitCode.USAGE if findings else ExitCode.DONE)
