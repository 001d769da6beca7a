"""``weathervane demo``: the main job on one machine, and its summary in the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.demo.summary import Summary


def register(root: typer.Typer) -> None:
    """Join the command line."""
    root.command()(demo)


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder of class folders; default: rendered samples.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Backbone weights for mobilenetv2; default: none.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Pixels a side; default: 224 with weights, else 96.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Requests a second that clients send; default: what the models can take."
        ),
    ] = None,
    *,
    until_champion: Annotated[
        bool, typer.Option(help="End when a first model is served, and leave all of it running.")
    ] = False,
) -> None:
    """Train, judge, release by canary under live traffic, and take two bad models back."""
    from rich.console import Console

    from pipelines.demo.play import play
    from pipelines.demo.script import Script
    from weathervane.config import state_folder
    from weathervane.errors import ExitCode, UsageError

    if rate is not None and rate <= 0:
        raise UsageError(f"--rate must be above 0, got {rate}")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    script = Script(
        state=state_folder(),
        data=data,
        weights=str(weights) if weights else None,
        image_size=image_size or (224 if weights else 96),
        # From random weights a backbone takes longer than a demo to learn anything.
        architectures=("cnn", "mobilenetv2" if weights else "cnn-small"),
        requests_per_second=rate,
        until_champion=until_champion,
    )
    if not weights:
        console.print(
            "no WEIGHTS: cnn-small is trained instead of mobilenetv2, and nothing is downloaded"
        )
    with _alone(script.state):
        summary = play(script, console.print)
    if summary:
        _print(summary, console)
        raise typer.Exit(ExitCode.DONE if summary.as_told else ExitCode.UNEXPECTED)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Refuse a second demo in the same folder."""
    from filelock import FileLock, Timeout

    from weathervane.errors import RolloutRunningError

    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(state / "demo.lock", timeout=0):
            yield
    except Timeout as error:
        raise RolloutRunningError(f"another demo runs in {state}; wait for its end") from error


def _print(summary: "Summary", console: "Console") -> None:
    from rich.table import Table

    from weathervane.rollout.timeline import table

    gates = Table("candidate", "gate", "figure", "bound", "passed", box=None)
    for training in summary.trainings:
        for name, verdict in training.verdicts.items():
            for number, gate in enumerate(verdict.gates):
                gates.add_row(
                    f"{name} ({training.title})" if number == 0 else "",
                    gate.name,
                    f"{gate.figure:.4g}",
                    f"{gate.bound:.4g}",
                    "yes" if gate.passed else "NO",
                )
    console.print("\n── candidates and gates\n")
    console.print(gates)
    for release in summary.releases:
        ended = "promoted" if release.promoted else f"taken back: {release.why}"
        console.print(f"\n── release: {release.title}: {ended}\n")
        console.print(table(release.steps))
    traffic = summary.traffic
    console.print(f"\n── clients sent {traffic.sent} requests, {traffic.failed} failed\n")
    for name, (sent, failed) in traffic.by_revision.items():
        console.print(f"{name}: {sent} answered, {failed} failed")
    console.print("\n── acts\n")
    for act in summary.acts:
        mark = "✓" if act.as_told else "✗"
        console.print(f"{mark} {act.seconds:5.1f} s  {act.title}: {act.ended}")
    console.print(f"\n{summary.seconds:.0f} s in all")
    for what, where in summary.places.items():
        console.print(f"{what}: {where}")
