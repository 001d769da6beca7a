"""``weathervane rollout status|history|report``: what is live, and what happened."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weathervane.rollout.options import Context, Model, Namespace, TemplateFile

if TYPE_CHECKING:
    from weathervane.rollout.port import Live
    from weathervane.rollout.state import RolloutState


def status(
    *,
    model: Model = "weather",
    namespace: Namespace = "",
    context: Context = "",
    template: TemplateFile = None,
) -> None:
    """Print what is live, how far the alias lags behind it, and the steps of the last rollout."""
    from rich.console import Console

    from weathervane.errors import UsageError
    from weathervane.registry.versions import CHAMPION
    from weathervane.rollout.places import find_service
    from weathervane.rollout.timeline import steps_of, table

    service = find_service(model, namespace=namespace, context=context, template=template)
    live = service.deployment.observe()
    for line in live_lines(model, live):
        typer.echo(line)
    try:
        champion = service.registry.alias(model, CHAMPION)
    except UsageError as error:
        # Whoever looks at a cluster need not reach the registry.
        typer.echo(f"alias champion is not looked at: {error}")
    else:
        if live.stable and (champion is None or champion.digest != live.stable.digest):
            names = champion.digest[:12] if champion else "nothing"
            typer.echo(
                f"alias champion names {names}: it lags behind and the next start repairs it"
            )
    state = service.rollout().last()
    if state is None:
        typer.echo("no rollout yet")
        return
    for line in rollout_lines(state, asked=len(service.journal.asked())):
        typer.echo(line)
    console = Console(highlight=False)
    console.print(table(steps_of(service.journal.entries(), state.id)))


def history(*, model: Model = "weather", namespace: Namespace = "", context: Context = "") -> None:
    """List the rollouts of a service, the newest last."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from weathervane.rollout.history import in_words, rollouts_of
    from weathervane.rollout.places import find_service

    shown = Table("rollout", "by", "package", "strategy", "ended", "why", box=None)
    service = find_service(model, namespace=namespace, context=context)
    for past in rollouts_of(service.journal.entries()):
        end = in_words(past.end)
        shown.add_row(
            past.id, escape(past.begun_by), past.package[:12], past.strategy, end, escape(past.why)
        )
    Console(highlight=False).print(shown)


def report(
    rollout: Annotated[str, typer.Argument(help="A rollout's name.", show_default="the last")] = "",
    *,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("rollout.html"),
    model: Model = "weather",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Write one rollout as a page: its weight over time, its steps, every decision and why."""
    from weathervane.data.files import write_whole
    from weathervane.errors import UsageError
    from weathervane.rollout.places import find_service
    from weathervane.rollout.report import render

    record = find_service(model, namespace=namespace, context=context).journal.entries()
    names = [entry["rollout"] for entry in record if entry["event"] == "begun"]
    if not names or (rollout and rollout not in names):
        raise UsageError(f"there is no rollout {rollout or 'yet'}; see weathervane rollout history")
    write_whole(out, render(model, record, rollout or names[-1]).encode())
    typer.echo(f"the page is {out}")


def live_lines(model: str, live: "Live") -> list[str]:
    """What is live, in words."""
    lines = []
    for role, revision in (("stable", live.stable), ("canary", live.canary)):
        if revision:
            weight = live.weight if role == "canary" else 100 - live.weight
            ready = "ready" if revision.ready else f"not ready {revision.message}"
            copied = f", a copy of {live.mirror} %" if role == "canary" and live.mirror else ""
            lines.append(
                f"{role}: {revision.name} {revision.digest[:12]} {weight} %{copied} {ready}"
            )
    return lines if live.stable else [*lines, f"no revision of {model} is stable yet"]


def rollout_lines(state: "RolloutState", *, asked: int) -> list[str]:
    """Where a rollout is, in words; ``asked`` is how many requests its journal holds."""
    lines = [f"last rollout: {state.id} by {state.begun_by}: {state.phase.value} {state.why}"]
    if not state.ended and state.held:
        lines.append(f"it waits for a person: {state.held}")
    if not state.ended and asked > state.answered:
        lines.append(
            f"{asked - state.answered} requests wait: if nobody drives it, "
            "weathervane rollout start goes on with it"
        )
    return lines


COMMANDS = (status, history, report)
