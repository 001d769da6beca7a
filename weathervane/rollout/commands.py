"""``weathervane rollout``: explain a plan, start a rollout, wait for it; the rest joins here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weathervane.errors import ExitCode, PlatformError, UsageError
from weathervane.rollout import asking_commands, telling_commands
from weathervane.rollout.kserve.commands import drive
from weathervane.rollout.options import (
    Context,
    Model,
    Namespace,
    PlanFile,
    TemplateFile,
    Who,
    named,
    read_plan,
)

if TYPE_CHECKING:
    from weathervane.rollout.kserve.service import ClusterService
    from weathervane.rollout.outcome import Outcome
    from weathervane.rollout.plan import Plan
    from weathervane.rollout.service import LocalService

app = typer.Typer(
    help="Move live traffic to a package step by step, and back when it is worse.",
    no_args_is_help=True,
)
for _command in (*telling_commands.COMMANDS, *asking_commands.COMMANDS):
    app.command()(_command)
app.command(hidden=True)(drive)

Probes = Annotated[
    Path | None,
    typer.Option(help="Folder of labelled probes; default: those of the package's data."),
]
Summary = Annotated[
    Path | None, typer.Option(help="Add a Markdown summary to this file ($GITHUB_STEP_SUMMARY).")
]


@app.command()
def start(
    package: Annotated[
        str,
        typer.Argument(
            help="challenger, champion, previous (what was served before what is now), or a "
            "package's digest; its first 8 digits or more do when the history knows it."
        ),
    ] = "challenger",
    *,
    plan: PlanFile = None,
    probes: Probes = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Folder of pictures to replay; default: those of the probes."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Try a package that was taken back once more.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(help="Drive it in this process; or in one of its own, and return at once."),
    ] = True,
    summary: Summary = None,
    model: Model = "weather",
    who: Who = "",
    namespace: Namespace = "",
    context: Context = "",
    template: TemplateFile = None,
    image: Annotated[
        str,
        typer.Option(envvar="WEATHERVANE_IMAGE", help="On a cluster: what the rollout's Job runs."),
    ] = "",
) -> None:
    """Roll a package out and wait for the end: promoted (0) or taken back (5).

    Started again after it was killed, it goes on where it was. On a cluster a Job drives it, and
    goes on when this command is interrupted.
    """
    from weathervane.data.probes import read_probes
    from weathervane.rollout.history import find_package
    from weathervane.rollout.places import find_service
    from weathervane.rollout.release import fetch_probes, repair_champion, resolve, roll_out
    from weathervane.rollout.service import LocalService

    how = read_plan(plan)
    service = find_service(model, namespace=namespace, context=context, template=template)
    package = find_package(service.record, package)
    if not isinstance(service, LocalService):
        if probes or replay:
            raise UsageError("a Job reads no folder of this machine: leave --probes, --replay out")
        _start_job(
            service,
            package,
            how,
            image=image,
            who=named(who),
            again=again,
            wait=wait,
            summary=summary,
        )
        return
    if repaired := repair_champion(service.deployment, service.registry, model):
        typer.echo(f"alias champion lagged behind: it names {repaired[:12]} now")
    release = resolve(service.registry, service.store, model, package)
    if not wait:
        _start_apart(
            service, release.digest, plan=plan, probes=probes, replay=replay, again=again, who=who
        )
        return
    outcome = roll_out(
        service.rollout(typer.echo),
        service.registry,
        model,
        release,
        plan=how,
        probes=read_probes(probes) if probes else fetch_probes(service.store, release),
        who=named(who),
        replayed=_pictures(replay) if replay else (),
        again=again,
    )
    if outcome.state is None:
        typer.echo(outcome.why)
    typer.echo(f"the record is {service.journal.record}")
    _leave(service, outcome, summary)


@app.command()
def wait(
    minutes: Annotated[float, typer.Option(min=0, help="Give up after so long (8).")] = 60.0,
    *,
    summary: Summary = None,
    model: Model = "weather",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Wait for the end of the rollout that runs (0 or 5), or until a person is needed (6)."""
    from weathervane.rollout.asking import Asking
    from weathervane.rollout.outcome import Outcome
    from weathervane.rollout.places import find_service
    from weathervane.rollout.state import Phase

    service = find_service(model, namespace=namespace, context=context)
    asking = Asking(service.journal)
    outcome = asking.follow(give_up_after=minutes * 60, until_held=True)
    if outcome is None:
        last = asking.last()
        if last is None:
            typer.echo("no rollout yet")
            return
        promoted = last.phase is Phase.PROMOTED
        outcome = Outcome(promoted=promoted, why=last.why, state=last)
    typer.echo(outcome.why)
    _leave(service, outcome, summary)


@app.command()
def plan(
    plan: PlanFile = None,
    *,
    probes: Probes = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Requests a second; default: measured for three seconds."),
    ] = None,
    model: Model = "weather",
    namespace: Namespace = "",
    context: Context = "",
    template: TemplateFile = None,
) -> None:
    """Explain what a plan does, what its probes can see, and how long it takes."""
    from weathervane.data.probes import read_probes
    from weathervane.rollout.explain import explain
    from weathervane.rollout.places import find_service
    from weathervane.rollout.service import LocalService

    how = read_plan(plan)
    number = len(read_probes(probes)) if probes else None
    try:
        service = find_service(model, namespace=namespace, context=context, template=template)
        if not isinstance(service, LocalService):
            how = service.suited(how)
            service.check_plan(how)
        traffic = _measured(service) if rate is None else rate
    except PlatformError:
        # No platform runs, or it does not answer: a plan can be explained without its traffic.
        traffic = rate
    for line in explain(how, probes=number, requests_per_second=traffic):
        typer.echo(line)


@app.command()
def schema() -> None:
    """Print the JSON schema of a plan."""
    import json

    from weathervane.rollout.plan import schema as make

    typer.echo(json.dumps(make(), indent=2))


def _leave(
    service: "LocalService | ClusterService", outcome: "Outcome", summary: Path | None
) -> None:
    if summary:
        _summarize(service, outcome, summary)
    raise typer.Exit(outcome.exit_code)


def _start_job(
    service: "ClusterService",
    package: str,
    how: "Plan",
    *,
    image: str,
    who: str,
    again: bool,
    wait: bool,
    summary: Path | None,
) -> None:
    """Let a Job drive a rollout, and end as it did."""
    from weathervane.rollout.kserve import starting

    digest = starting.digest_named(service, package)
    started = starting.start(service, digest, how, image=image, who=who, again=again)
    typer.echo(f"Job {started.job} rolls {digest[:12]} out: rollout {started.rollout}")
    if not wait:
        return
    code = starting.follow(service, started, typer.echo)
    if summary and code in (ExitCode.DONE, ExitCode.ROLLED_BACK):
        _summarize(service, starting.ended(service, started, code), summary)
    typer.echo(f"{started.job}: ended with {int(code)}, {code.name.lower().replace('_', ' ')}")
    raise typer.Exit(code)


def _summarize(service: "LocalService | ClusterService", outcome: "Outcome", summary: Path) -> None:
    from weathervane.rollout.summary import as_markdown

    # Others may have written there before: GitHub's is one file a step.
    with summary.open("a", encoding="utf-8") as file:
        file.write(as_markdown(outcome, service.record()) + "\n")


def _pictures(folder: Path) -> list[bytes]:
    try:
        return [file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()]
    except OSError as error:
        raise UsageError(f"cannot read the pictures in {folder}: {error.strerror}") from error


def _measured(service: "LocalService | ClusterService") -> float | None:
    """Requests a second at the present, or None when nothing is served."""
    import time

    seconds = 3.0
    before = service.deployment.counts()
    time.sleep(seconds)
    after = service.deployment.counts()
    grown = [now.since(before[name]).requests for name, now in after.items() if name in before]
    return sum(grown) / seconds if grown else None


def _start_apart(
    service: "LocalService",
    digest: str,
    *,
    plan: Path | None,
    probes: Path | None,
    replay: Path | None,
    again: bool,
    who: str,
) -> None:
    from weathervane.rollout.driver import Ended, start_apart

    options: list[str] = ["--model", service.name, "--who", named(who)]
    for name, value in (("--plan", plan), ("--probes", probes), ("--replay", replay)):
        options += [name, str(value.absolute())] if value else []
    options += ["--again"] if again else []
    begun = start_apart(service, digest, options)
    if isinstance(begun, Ended):
        typer.echo(begun.said)
        raise typer.Exit(begun.code)
    typer.echo(f"rollout {begun} runs; follow it with: weathervane rollout wait")
