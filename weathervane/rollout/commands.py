"""``weathervane rollout``: start one, look at it, end it."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from weathervane.errors import ExitCode

app = typer.Typer(
    help="Move live traffic to a package step by step, and back when it is worse.",
    no_args_is_help=True,
)

Model = Annotated[str, typer.Option(help="Name of the registered model and of its service.")]
Who = Annotated[
    str, typer.Option(help="Who asks for it, for the record.", show_default="the user's name")
]


@app.command()
def start(
    package: Annotated[
        str, typer.Argument(help="challenger, champion, or a package's digest.")
    ] = "challenger",
    *,
    plan: Annotated[
        Path | None, typer.Option(help="The plan, YAML; default: the defaults.")
    ] = None,
    probes: Annotated[
        Path | None,
        typer.Option(help="Folder of labelled probes; default: those of the package's data."),
    ] = None,
    model: Model = "weather",
    who: Who = "",
) -> None:
    """Roll a package out and wait for the end: promoted (0) or taken back (5).

    Started again after it was killed, it goes on where it was.
    """
    from weathervane.config import from_mapping, read_yaml
    from weathervane.data.probes import read_probes
    from weathervane.rollout.plan import Plan
    from weathervane.rollout.release import fetch_probes, repair_champion, resolve, roll_out
    from weathervane.rollout.service import open_service

    how = from_mapping(Plan, read_yaml(plan), str(plan)) if plan else Plan()
    service = open_service(model)
    if repaired := repair_champion(service.deployment, service.registry, model):
        typer.echo(f"alias champion lagged behind: it names {repaired[:12]} now")
    release = resolve(service.registry, service.store, model, package)
    outcome = roll_out(
        service.rollout(typer.echo),
        service.registry,
        model,
        release,
        plan=how,
        probes=read_probes(probes) if probes else fetch_probes(service.store, release),
        who=who or getpass.getuser(),
    )
    typer.echo(f"the record is {service.journal.record}")
    raise typer.Exit(ExitCode.DONE if outcome.promoted else ExitCode.ROLLED_BACK)


@app.command()
def status(model: Model = "weather") -> None:
    """Print what is live, and the steps of the last rollout."""
    import json

    from rich.console import Console

    from weathervane.registry.versions import CHAMPION
    from weathervane.rollout.service import open_service
    from weathervane.rollout.timeline import steps_of, table

    service = open_service(model)
    live = service.deployment.observe()
    for role, revision in (("stable", live.stable), ("canary", live.canary)):
        if revision:
            weight = live.weight if role == "canary" else 100 - live.weight
            ready = "ready" if revision.ready else f"not ready {revision.message}"
            typer.echo(f"{role}: {revision.name} {revision.digest[:12]} {weight} % {ready}")
    if not live.stable:
        typer.echo(f"no revision of {model} is stable yet")
    champion = service.registry.alias(model, CHAMPION)
    if live.stable and (champion is None or champion.digest != live.stable.digest):
        named = champion.digest[:12] if champion else "nothing"
        typer.echo(f"alias champion names {named}: it lags behind and the next start repairs it")
    state = service.rollout().last()
    if state is None:
        typer.echo("no rollout yet")
        return
    typer.echo(f"last rollout: {state.id} by {state.begun_by}: {state.phase.value} {state.why}")
    lines = service.journal.record.read_text(encoding="utf-8").splitlines()
    Console(highlight=False).print(table(steps_of(map(json.loads, lines), state.id)))


@app.command()
def abort(
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    *,
    model: Model = "weather",
    who: Who = "",
) -> None:
    """Take the canary back now. Without a rollout this changes nothing."""
    from weathervane.rollout.service import open_service

    service = open_service(model)
    outcome = service.rollout(typer.echo).abort(who or getpass.getuser(), why)
    if outcome is None:
        typer.echo("no rollout runs: nothing to take back")
