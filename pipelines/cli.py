"""``weathervane pipeline …``: compile the pipelines, or run one of them here or on a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weathervane.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.run import PipelineResult


app = typer.Typer(
    help="Train candidates and register the best; release what is registered.",
    no_args_is_help=True,
)


def register(root: typer.Typer) -> None:
    """Join the command line."""
    from pipelines.cluster_commands import register as register_cluster
    from pipelines.demo.commands import register as register_demo

    register_cluster(app)
    root.add_typer(app, name="pipeline")
    register_demo(root)


@app.command("compile")
def compile_(
    out: Annotated[Path, typer.Option(help="The folder for the YAML.")] = Path(),
    image: Annotated[
        str,
        typer.Option(envvar="WEATHERVANE_IMAGE", help="What the steps run in on a cluster."),
    ] = "",
) -> None:
    """Compile the pipelines to the YAML that Kubeflow Pipelines takes."""
    require_kfp()
    from components.image import IMAGE
    from pipelines.compile import compile_all

    for path in compile_all(out, image or IMAGE):
        typer.echo(path)


@app.command()
def run(
    *,
    data: Annotated[
        str, typer.Option(help="A folder of class folders, a zip, tar or table, or s3://bucket/….")
    ],
    architectures: Annotated[
        str,
        typer.Option(
            help="What to train, with commas: cnn, cnn-small, mobilenetv2, efficientnetb0."
        ),
    ] = "cnn,mobilenetv2",
    image_size: Annotated[int, typer.Option(help="Pixels a side of what models see.")] = 96,
    weights: Annotated[
        str | None, typer.Option(help='For backbones: a file, or "imagenet" to download them.')
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML: sections validation, split, train, evaluation, gate.")
    ] = None,
    model: Annotated[str, typer.Option(help="The registered model.")] = "weather",
) -> None:
    """Run the training pipeline here; exits with 4 when the gate refuses every candidate."""
    require_kfp()
    from pipelines.run import run_training
    from weathervane import config

    result = run_training(
        data,
        folder=config.state_folder() / "pipeline",
        environment=_platform(),
        architectures=[name.strip() for name in architectures.split(",") if name.strip()],
        image_size=image_size,
        weights=weights,
        settings=config.read_yaml(settings) if settings else {},
        model=model,
        progress=typer.echo,
    )
    _show(result, model)
    if not result.passed:
        raise typer.Exit(ExitCode.GATE_REFUSED)


@app.command()
def release(
    package: Annotated[
        str, typer.Argument(help="challenger, champion, or a package's digest.")
    ] = "challenger",
    *,
    plan: Annotated[
        Path | None, typer.Option(help="The rollout's plan, YAML; default: the defaults.")
    ] = None,
    summary: Annotated[
        Path | None, typer.Option(help="A file for the figures, in Markdown.")
    ] = None,
    model: Annotated[str, typer.Option(help="The registered model.")] = "weather",
    who: Annotated[str, typer.Option(help="Who releases, for the record.")] = "weathervane-release",
) -> None:
    """Run the release pipeline here: promoted (0) or taken back (5)."""
    require_kfp()
    from pipelines.releasing import run_release
    from weathervane import config
    from weathervane.local.platform import Platform

    state = config.state_folder()
    Platform(state).addresses()  # the rollout moves the traffic of this machine
    result = run_release(
        folder=state / "pipeline",
        environment=Platform(state).environment(),
        package=package,
        plan=config.read_yaml(plan) if plan else {},
        model=model,
        who=who,
        progress=typer.echo,
    )
    if summary:
        summary.write_text(result.summary, encoding="utf-8")
    typer.echo(f"\n{result.summary}")
    if not result.promoted:
        raise typer.Exit(ExitCode.ROLLED_BACK)


def _show(result: "PipelineResult", model: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    judged = result.judgement
    table = Table("candidate", "accuracy", "macro F1", "p95, ms", "MiB", "verdict")
    champion = {"champion": judged.champion} if judged.champion else {}
    for name, one in {**judged.evaluations, **champion}.items():
        verdict = judged.verdicts.get(name)
        table.add_row(
            name,
            f"{one.figures.accuracy:.3f}",
            f"{one.figures.macro_f1:.3f}",
            f"{one.latency_p95_seconds * 1000:.1f}",
            f"{one.size_mebibytes:.1f}",
            "" if verdict is None else "passed" if verdict.passed else "refused",
        )
    console.print(table)
    for name, verdict in judged.verdicts.items():
        if not verdict.passed:
            console.print(f"{name} refused: {'; '.join(verdict.reasons)}")
    console.print(f"reports: {result.validation_report}, {result.comparison_report}")
    if result.passed:
        console.print(
            f"{judged.chosen} is the challenger of {model}, version {result.version}: package "
            f"{result.digest}"
        )
    else:
        console.print("the gate refused every candidate: nothing was registered")


def require_kfp() -> None:
    """Say what to install where kfp is not."""
    from importlib.util import find_spec

    if find_spec("kfp") is None:
        raise UsageError("pipelines need kfp; install it: pip install 'weathervane[pipelines]'")


def _platform() -> "Mapping[str, str]":
    """The variables that the steps need: named by ours, or those of the platform that runs here."""
    from weathervane import config
    from weathervane.local.platform import Platform

    try:
        config.tracking_uri()
        config.store_from_environment()
    except UsageError:
        platform = Platform(config.state_folder())
        platform.addresses()  # says how to start it, when it does not run
        return platform.environment()
    return {}
