"""``weathervane rollout abort|pause|resume|approve|promote``: what people ask of a rollout."""

from typing import Annotated

import typer

from weathervane.rollout.options import Model, Who, named
from weathervane.rollout.wishes import Kind

Why = Annotated[str, typer.Option(help="The reason, for the record.")]

# A process that drives a rollout looks for requests each second.
_HEEDED_SECONDS = 10.0


def abort(why: Why, *, model: Model = "weather", who: Who = "") -> None:
    """Take the canary back now. Without a rollout this changes nothing."""
    from weathervane.rollout.service import open_service

    service = open_service(model)
    outcome = service.rollout(typer.echo).abort(named(who), why)
    if outcome is None:
        typer.echo("no rollout runs: nothing to take back")
    elif outcome.promoted:
        typer.echo("it came too late: the canary is stable already")


def pause(why: Why, *, model: Model = "weather", who: Who = "") -> None:
    """Let no further step begin. The canary is watched, and taken back when it is worse."""
    _ask(Kind.PAUSE, model, who, why)


def resume(why: Why = "", *, model: Model = "weather", who: Who = "") -> None:
    """End a pause."""
    _ask(Kind.RESUME, model, who, why)


def approve(why: Why = "", *, model: Model = "weather", who: Who = "") -> None:
    """Let the step begin that waits for a person."""
    _ask(Kind.APPROVE, model, who, why)


def promote(
    why: Why = "",
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Whatever the evidence says; needs --why.")
    ] = False,
    model: Model = "weather",
    who: Who = "",
) -> None:
    """Leave the remaining steps out: promote once the evidence of the present one is good."""
    from weathervane.errors import UsageError

    if force and not why:
        raise UsageError("a forced promotion needs a reason: --force --why '…'")
    _ask(Kind.FORCE if force else Kind.PROMOTE, model, who, why)


def _ask(kind: Kind, model: str, who: str, why: str) -> None:
    from weathervane.errors import DeploymentError
    from weathervane.rollout.asking import Asking
    from weathervane.rollout.service import open_service

    asking = Asking(open_service(model).journal)
    request = asking.ask(kind, named(who), why)
    if not asking.heeded(request, within=_HEEDED_SECONDS):
        raise DeploymentError(
            f"{kind.value} is written down, but no process drives the rollout: go on with it by "
            "weathervane rollout start"
        )
    typer.echo(f"{kind.value}: the rollout knows")


COMMANDS = (abort, pause, resume, approve, promote)
