"""``weathervane rollout abort|pause|resume|approve|promote``: what people ask of a rollout."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from weathervane.rollout.options import Context, Model, Namespace, TemplateFile, Who, named
from weathervane.rollout.wishes import Kind

if TYPE_CHECKING:
    from weathervane.rollout.kserve.service import ClusterService

Why = Annotated[str, typer.Option(help="The reason, for the record.")]

# A process that drives a rollout looks for requests each second.
_HEEDED_SECONDS = 10.0


def abort(
    why: Why,
    *,
    model: Model = "weather",
    who: Who = "",
    namespace: Namespace = "",
    context: Context = "",
    template: TemplateFile = None,
) -> None:
    """Take the canary back now. Without a rollout this changes nothing."""
    from weathervane.rollout.places import find_service

    service = find_service(model, namespace=namespace, context=context, template=template)
    outcome = service.rollout(typer.echo).abort(named(who), why)
    pending = []
    if outcome is None and (namespace or context):
        from weathervane.rollout.kserve.starting import end_pending

        pending = end_pending(cast("ClusterService", service), who=named(who), why=why)
    for job in pending:
        typer.echo(f"Job {job} has not begun yet: it will end before it changes anything")
    if outcome is None and not pending:
        typer.echo("no rollout runs: nothing to take back")
    elif outcome is not None and outcome.promoted:
        typer.echo("it came too late: the canary is stable already")


def pause(
    why: Why,
    *,
    model: Model = "weather",
    who: Who = "",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Let no further step begin. The canary is watched, and taken back when it is worse."""
    _ask(Kind.PAUSE, model, who, why, namespace=namespace, context=context)


def resume(
    why: Why = "",
    *,
    model: Model = "weather",
    who: Who = "",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """End a pause."""
    _ask(Kind.RESUME, model, who, why, namespace=namespace, context=context)


def approve(
    why: Why = "",
    *,
    model: Model = "weather",
    who: Who = "",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Let the step begin that waits for a person."""
    _ask(Kind.APPROVE, model, who, why, namespace=namespace, context=context)


def promote(
    why: Why = "",
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Whatever the evidence says; needs --why.")
    ] = False,
    model: Model = "weather",
    who: Who = "",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Leave the remaining steps out: promote once the evidence of the present one is good."""
    from weathervane.errors import UsageError

    if force and not why:
        raise UsageError("a forced promotion needs a reason: --force --why '…'")
    _ask(
        Kind.FORCE if force else Kind.PROMOTE, model, who, why, namespace=namespace, context=context
    )


def _ask(kind: Kind, model: str, who: str, why: str, *, namespace: str, context: str) -> None:
    from weathervane.errors import DeploymentError
    from weathervane.rollout.asking import Asking
    from weathervane.rollout.places import find_service

    asking = Asking(find_service(model, namespace=namespace, context=context).journal)
    request = asking.ask(kind, named(who), why)
    if not asking.heeded(request, within=_HEEDED_SECONDS):
        raise DeploymentError(
            f"{kind.value} is written down, but no process drives the rollout: go on with it by "
            "weathervane rollout start"
        )
    typer.echo(f"{kind.value}: the rollout knows")


COMMANDS = (abort, pause, resume, approve, promote)
