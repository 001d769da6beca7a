"""``weathervane cross-validate``: how good a recipe is, by the pictures that each model missed."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer


def cross_validate(
    data: Annotated[str, typer.Argument(help="A folder of class folders, or s3://bucket/prefix.")],
    *,
    folds: Annotated[int, typer.Option(help="How many models are trained, from 3 on.")] = 5,
    architecture: Annotated[str, typer.Option(help="What to train.")] = "cnn",
    image_size: Annotated[int, typer.Option(help="Pixels a side of what models see.")] = 96,
    weights: Annotated[
        str | None, typer.Option(help='For backbones: a file, or "imagenet" to download them.')
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML with sections validation, split, train.")
    ] = None,
) -> None:
    """Train as many models as there are folds; every picture is tested by one that missed it."""
    from dataclasses import replace

    from weathervane import config
    from weathervane.data.manifest import build
    from weathervane.data.sources import local_folder
    from weathervane.data.validation import validate
    from weathervane.evaluation.folds import cross_validate as fold
    from weathervane.training.cache import Cache
    from weathervane.training.train import train

    chosen = config.from_mapping(
        config.PipelineSettings, config.read_yaml(settings) if settings else {}, str(settings)
    )
    recipe = replace(
        chosen.train, architecture=architecture, weights=weights or chosen.train.weights
    )
    cache = Cache.at(config.cache_folder(), typer.echo)
    with TemporaryDirectory() as downloads:
        folder = local_folder(data, Path(downloads, "pictures"))
        found = fold(
            build(validate(folder, chosen.validation), chosen.split),
            folder,
            image_size,
            lambda dataset, out: train(dataset, recipe, out, cache=cache),
            folds=folds,
            seed=chosen.split.seed,
            progress=typer.echo,
        )
    figures = found.figures
    typer.echo(
        f"{figures.pictures} pictures: accuracy {figures.accuracy:.3f} "
        f"(folds differ by {found.deviation:.3f}), macro F1 {figures.macro_f1:.3f}, "
        f"calibration error {figures.ece:.3f}"
    )
    for label, one in figures.classes.items():
        typer.echo(f"{label}: precision {one.precision:.3f}, recall {one.recall:.3f}")
