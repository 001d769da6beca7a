"""``weathervane pipeline submit | follow | schedule | schedules | unschedule``: on a cluster."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weathervane.errors import ExitCode, PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipelines.kubeflow import Kubeflow

Pipeline = Annotated[str, typer.Argument(help="training, training-in-shards or release.")]
Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE...",
        help="Arguments of the pipeline; lists and mappings are YAML, @FILE reads a file.",
    ),
]
Endpoint = Annotated[
    str,
    typer.Option(envvar="KF_PIPELINES_ENDPOINT", help="Kubeflow Pipelines' API, http://…:8888."),
]
Image = Annotated[
    str, typer.Option(envvar="WEATHERVANE_IMAGE", help="What the steps run in, as nodes pull it.")
]
Name = Annotated[
    str | None, typer.Option(help="What it is called there; default: weathervane-PIPELINE.")
]
Experiment = Annotated[str, typer.Option(help="The group of runs that it joins.")]
Pause = Annotated[float, typer.Option(help="Between two looks.", min=0.01)]

_UNITS = {"m": 60, "h": 3600, "d": 86400}


def register(app: typer.Typer) -> None:
    """Join the commands about pipelines."""
    app.command()(submit)
    app.command()(follow)
    app.command()(schedule)
    app.command()(schedules)
    app.command()(unschedule)


def submit(
    *,
    pipeline: Pipeline,
    arguments: Arguments = None,
    endpoint: Endpoint,
    image: Image,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run to its end.")] = False,
    name: Name = None,
    experiment: Experiment = "weathervane",
    pause_seconds: Pause = 5.0,
) -> None:
    """Run a pipeline on Kubeflow Pipelines; with --wait, end as the run does."""
    kubeflow, run_id = _on_cluster(
        pipeline,
        arguments or (),
        endpoint,
        image,
        lambda kubeflow, definition, values: kubeflow.submit(
            definition, values, name=name or f"weathervane-{pipeline}", experiment=experiment
        ),
    )
    typer.echo(f"run {run_id} is submitted")
    if wait:
        _follow(kubeflow, run_id, endpoint, pause_seconds)
    else:
        typer.echo(f"to follow it: {_how_to_follow(run_id, endpoint)}")


def follow(
    run: Annotated[str, typer.Argument(help="The run's id.")],
    *,
    endpoint: Endpoint,
    pause_seconds: Pause = 5.0,
) -> None:
    """Follow a run to its end, and end as it does: 0, 4 (gate refused), 5 (rolled back), …."""
    _follow(_open(endpoint), run, endpoint, pause_seconds)


def schedule(
    *,
    pipeline: Pipeline,
    arguments: Arguments = None,
    endpoint: Endpoint,
    image: Image,
    every: Annotated[str | None, typer.Option(help="30m, 12h or 7d.")] = None,
    cron: Annotated[
        str | None,
        typer.Option(help='Six fields, seconds first, in UTC: "0 0 3 * * *" is at three.'),
    ] = None,
    name: Name = None,
    experiment: Experiment = "weathervane",
) -> None:
    """Run a pipeline again and again; takes the place of the schedule of the same name."""
    if (every is None) == (cron is None):
        raise UsageError("say either --every or --cron")
    seconds = None if every is None else _seconds(every)
    if cron is not None and len(cron.split()) != 6:
        raise UsageError(f"Kubeflow's cron has six fields, seconds first, got {cron!r}")
    title = name or f"weathervane-{pipeline}"
    _on_cluster(
        pipeline,
        arguments or (),
        endpoint,
        image,
        lambda kubeflow, definition, values: kubeflow.schedule(
            definition, values, name=title, experiment=experiment, every_seconds=seconds, cron=cron
        ),
    )
    typer.echo(f"{title} runs {cron or f'every {every}'}; weathervane pipeline unschedule ends it")


def schedules(*, endpoint: Endpoint) -> None:
    """List what runs again and again."""
    found = _open(endpoint).schedules()
    for one in found:
        typer.echo(f"{one.name}\t{one.when}\t{'on' if one.enabled else 'off'}")
    if not found:
        typer.echo("nothing is scheduled")


def unschedule(
    name: Annotated[str, typer.Argument(help="The schedule's name.")], *, endpoint: Endpoint
) -> None:
    """End a schedule; runs that have begun go on."""
    if not _open(endpoint).unschedule(name):
        raise UsageError(f"there is no schedule {name}; weathervane pipeline schedules lists them")
    typer.echo(f"{name} is scheduled no more")


def _on_cluster(
    pipeline: str,
    words: "Sequence[str]",
    endpoint: str,
    image: str,
    act: "Callable[[Kubeflow, Mapping[str, Any], Mapping[str, Any]], str]",
) -> "tuple[Kubeflow, str]":
    """Check the arguments, and only then speak to the cluster."""
    from pipelines.arguments import check_release, check_training, read_arguments
    from pipelines.cli import require_kfp
    from pipelines.compile import NAMES, as_submitted

    require_kfp()
    if pipeline not in NAMES:
        raise UsageError(f"there is no pipeline {pipeline}; there are {', '.join(NAMES)}")
    definition = as_submitted(pipeline, image)
    values = read_arguments(words, definition["pipeline_spec"])
    if pipeline == "release":
        check_release(values)
        # The rollout's Job runs what the steps run.
        values = {"image": image, **values}
    else:
        check_training(values)
    kubeflow = _open(endpoint)
    return kubeflow, act(kubeflow, definition, values)


def _open(endpoint: str) -> "Kubeflow":
    from pipelines.cli import require_kfp
    from pipelines.kubeflow import Kubeflow

    require_kfp()
    return Kubeflow(endpoint)


def _follow(kubeflow: "Kubeflow", run_id: str, endpoint: str, pause_seconds: float) -> None:
    from pipelines.following import follow, outcome

    try:
        run = follow(kubeflow, run_id, typer.echo, pause_seconds=pause_seconds)
    except (KeyboardInterrupt, PlatformError):
        # A run needs nobody to look at it.
        typer.echo(f"the run goes on; to follow it: {_how_to_follow(run_id, endpoint)}", err=True)
        raise
    code = outcome(kubeflow, run)
    words = {
        ExitCode.GATE_REFUSED: "the gate refused every candidate: nothing was registered",
        ExitCode.ROLLED_BACK: "the package was taken back",
    }
    typer.echo(words.get(code, f"run {run_id} succeeded"))
    if code:
        raise typer.Exit(code)


def _how_to_follow(run_id: str, endpoint: str) -> str:
    return f"weathervane pipeline follow {run_id} --endpoint {endpoint}"


def _seconds(every: str) -> int:
    told = re.fullmatch(r"([1-9]\d*)([mhd])", every)
    if not told:
        raise UsageError(
            f"--every is a number of minutes, hours or days, 30m, 12h, 7d; got {every!r}"
        )
    return int(told[1]) * _UNITS[told[2]]
