"""``weathervane tune``: search the settings of a training, alone or beside other processes."""

from pathlib import Path
from typing import Annotated

import typer

from weathervane.errors import UsageError


def tune(
    data: Annotated[
        str, typer.Argument(help="A folder, or s3://bucket/prefix, with one folder a class.")
    ],
    *,
    architecture: Annotated[str, typer.Option(help="What to train.")] = "mobilenetv2",
    weights: Annotated[
        str | None, typer.Option(help='Of a backbone: a file, or "imagenet" to download them.')
    ] = None,
    image_size: Annotated[int, typer.Option(min=32, max=512, help="Pixels a side.")] = 96,
    trials: Annotated[
        int | None, typer.Option(min=1, help="End after so many, of all processes together.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="End after so long.")] = None,
    study: Annotated[str, typer.Option(help="Its name; one that is there is gone on with.")],
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="WEATHERVANE_STUDIES",
            help="The database of studies, by its URL; default: a file in the state folder.",
        ),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML with sections validation, split, train: the start.")
    ] = None,
    out: Annotated[
        Path, typer.Option(file_okay=False, help="The folder for settings.yaml and study.html.")
    ] = Path("study"),
) -> None:
    """Search settings with the least loss on validation pictures; for pipeline run --settings."""
    from dataclasses import replace
    from importlib.util import find_spec
    from tempfile import TemporaryDirectory

    if find_spec("optuna") is None:
        raise UsageError("tuning needs optuna; install it: pip install 'weathervane[training]'")
    import yaml

    from weathervane import config
    from weathervane.data import manifest
    from weathervane.data.files import write_whole
    from weathervane.data.prepare import prepare
    from weathervane.data.sources import local_folder
    from weathervane.data.validation import validate
    from weathervane.training import tuning
    from weathervane.training.cache import Cache
    from weathervane.training.study import write_study

    given = config.read_yaml(settings) if settings else {}
    chosen = config.from_mapping(config.PipelineSettings, given, str(settings or "settings"))
    start = replace(chosen.train, architecture=architecture, weights=weights)
    budget = tuning.Budget(trials=trials, minutes=minutes)
    state = config.state_folder()
    state.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        folder = local_folder(data, Path(scratch, "pictures"))
        rows = manifest.build(validate(folder, chosen.validation), chosen.split)
        best, found = tuning.tune(
            prepare(rows, folder, image_size, Path(scratch, "dataset")),
            start,
            budget,
            study=study,
            storage=storage or f"sqlite:///{state}/studies.db",
            cache=Cache.at(config.cache_folder(), typer.echo),
            progress=typer.echo,
        )
    tuned = {name: getattr(best, name) for name in found.best_params}
    text = yaml.safe_dump({**given, "train": {**given.get("train", {}), **tuned}}, sort_keys=False)
    write_whole(out / "settings.yaml", text.encode())
    write_study(found, out / "study.html")
    typer.echo(f"best settings in {out / 'settings.yaml'}, the study in {out / 'study.html'}")
