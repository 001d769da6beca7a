"""``weathervane data …``: make sample pictures, and check pictures."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from weathervane.config import (
    ShiftConfig,
    SplitConfig,
    ValidationConfig,
    from_mapping,
    read_yaml,
)
from weathervane.data.terminal import progress, show, show_shift, told
from weathervane.data.words import count_of
from weathervane.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weathervane.data.report import Report
    from weathervane.data.traits import Traits

Settings = TypeVar("Settings")

app = typer.Typer(help="Make sample pictures; check your own.", no_args_is_help=True)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="A new folder for the class folders.")],
    pictures: Annotated[int, typer.Option(min=1, help="How many, over all classes.")] = 900,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
) -> None:
    """Draw weather scenes: cloudy, foggy, rainy, snowy and sunny."""
    from weathervane.data.scenes import write_sample

    with progress() as bar:
        task = bar.add_task("drawing", total=pictures)
        write_sample(folder, pictures, seed, lambda drawn: bar.advance(task, drawn))
    Console(highlight=False, soft_wrap=True).print(f"{pictures} pictures in {folder}")


@app.command()
def validate(
    *,
    folder: Annotated[
        str, typer.Argument(help="Class folders, a zip, tar or table of them, or s3://bucket/….")
    ],
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Write report.json and report.html into this folder."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML: what stops the pipeline, e.g. min_classes: 3.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Remembers what was seen: unchanged files are not read."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help="Pictures to test on: what is the same as one of them is left out."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Other pictures, or a baseline: whether these are like them.")
    ] = None,
    label_errors: Annotated[
        bool, typer.Option("--label-errors", help="Look for labels that are probably wrong.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="For --label-errors: MobileNetV2's; without any, colours and edges."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are refused as well.")] = False,
) -> None:
    """Check pictures before training on them; exits with 3 when they cannot be used."""
    from weathervane.data.looking import look as look_at
    from weathervane.data.sources import local_source
    from weathervane.data.validation import judge as judge_looks

    config = _read(ValidationConfig, settings)
    with TemporaryDirectory() as downloads, progress() as bar:
        say = told(bar, "looking")
        looks = look_at(local_source(folder, Path(downloads) / "pictures"), say, cache=cache)
        tested = look_at(local_source(test, Path(downloads) / "test"), say) if test else None
        report = judge_looks(looks, config, folder, tested, cache=cache)
        if label_errors or config.label_errors:
            report = _with_suspects(report, config, weights, bar)
        if against:
            from weathervane.data.comparison import with_shift

            report = with_shift(report, looks, ShiftConfig(against=against), told(bar, "measuring"))
        if out:
            report.write(out)
    _tell(report, out, strict)


def _tell(report: "Report", out: Path | None, strict: bool) -> None:
    show(report, report.name)
    if out:
        Console(highlight=False, soft_wrap=True).print(f"report: {out / 'report.html'}")
    _stop(report, strict)


@app.command()
def prepare(
    source: Annotated[str, typer.Argument(help="The pictures, as for validate.")],
    manifest: Annotated[Path, typer.Argument(help="Their manifest, from `split`.")],
    out: Annotated[Path, typer.Argument(file_okay=False, help="A new folder.")],
    size: Annotated[int, typer.Option(min=32, max=512, help="Pixels a side.")] = 96,
) -> None:
    """Make the arrays that training reads; run it again when it was killed, and it goes on."""
    from weathervane.data.manifest import Manifest
    from weathervane.data.prepare import prepare as make
    from weathervane.data.sources import local_folder

    rows = Manifest.read(manifest)
    with TemporaryDirectory() as downloads, progress() as bar:
        folder = local_folder(source, Path(downloads) / "pictures")
        made = make(rows, folder, size, out, told(bar, "preparing"))
    console = Console(highlight=False, soft_wrap=True)
    for split, counts in made.counts.items():
        console.print(f"{split}: {count_of(sum(counts.values()), 'picture')}")


@app.command()
def look(
    source: Annotated[str, typer.Argument(help="Pictures, as for validate.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where the looks go, Parquet.")],
    shard: Annotated[str, typer.Option(help="Which part of the files, such as 3/8.")] = "1/1",
) -> None:
    """Look at a part of the pictures on this machine; `judge` puts all parts together."""
    from weathervane.data.looking import look_at_part
    from weathervane.data.looks import write_looks

    with TemporaryDirectory() as downloads, progress() as bar:
        looks = look_at_part(source, shard, Path(downloads) / "pictures", told(bar, "looking"))
    write_looks(file, looks)
    Console(highlight=False, soft_wrap=True).print(
        f"{file}: {count_of(len(looks.looks), 'file')}", markup=False
    )


@app.command()
def judge(
    files: Annotated[list[Path], typer.Argument(help="What `look` wrote, of every part.")],
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Write report.json and report.html into this folder."),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML, as for validate.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are refused as well.")] = False,
) -> None:
    """Judge what was looked at in parts, as `validate` does what it looks at itself."""
    from weathervane.data.looks import merge, read_looks
    from weathervane.data.validation import judge as judge_looks

    config = _read(ValidationConfig, settings)
    report = judge_looks(merge([read_looks(file) for file in files]), config)
    if out:
        report.write(out)
    _tell(report, out, strict)


@app.command()
def baseline(
    source: Annotated[str, typer.Argument(help="Pictures, as for validate.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where it goes, JSON.")],
) -> None:
    """Write down what pictures are like, to compare others with later."""
    from weathervane.data.comparison import baseline_of

    with progress() as bar:
        made = baseline_of(source, told(bar, "measuring"))
    made.write(file)
    Console(highlight=False, soft_wrap=True).print(
        f"{file}: {count_of(sum(made.counts.values()), 'picture')} in "
        f"{count_of(len(made.counts), 'class')}",
        markup=False,
    )


@app.command()
def shift(
    before: Annotated[str, typer.Argument(help="Pictures, or a baseline (.json).")],
    now: Annotated[str, typer.Argument(help="Pictures, or a baseline (.json).")],
    settings: Annotated[
        Path | None, typer.Option(help="YAML: what warns and what stops, e.g. psi: [0.1, 0.25].")
    ] = None,
) -> None:
    """Compare two sets of pictures; exits with 3 when they differ by more than may be."""
    from weathervane.data.comparison import baseline_of
    from weathervane.data.shift import compare

    config = _read(ShiftConfig, settings)
    with progress() as bar:
        one, other = (baseline_of(each, told(bar, "measuring")) for each in (before, now))
    found = compare(one, other, config)
    show_shift(found)
    errors = sum(each.severity == "error" for each in found.moved)
    if errors:
        raise DataError(f"{now} is not like {before}: {count_of(errors, 'error')}, see above")


def _with_suspects(
    report: "Report", config: ValidationConfig, weights: str | None, bar: Progress
) -> "Report":
    from weathervane.data.labels import search
    from weathervane.data.traits import describe_all

    say = told(bar, "describing")

    def describe(paths: "Sequence[Path]") -> "Traits":
        if not weights:
            return describe_all(paths, say)
        from weathervane.training.backbone_features import backbone_features

        return backbone_features(paths, weights, say)

    started = time.monotonic()
    searched = search(report, config, describe)
    Console(stderr=True, highlight=False).print(
        f"looked for wrong labels in {time.monotonic() - started:.1f} s"
    )
    return searched


@app.command()
def split(
    report: Annotated[Path, typer.Argument(help="report.json, from `validate --out`.")],
    out: Annotated[Path, typer.Argument(help="The manifest to write: a Parquet file.")],
    settings: Annotated[
        Path | None, typer.Option(help="YAML: shares, seed, e.g. previous: old.parquet.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="For cross-validation: one manifest more for each fold.")
    ] = 0,
) -> None:
    """Deal validated pictures to train, validation, test and probe; scenes stay whole."""
    from weathervane.data.manifest import build, fold_manifest, read_previous
    from weathervane.data.report import Report

    config = _read(SplitConfig, settings)
    manifest = build(Report.read(report), config, read_previous(config.previous))
    parts = fold_manifest(manifest, folds, config.seed) if folds else ()
    manifest.write(out)
    for number, part in enumerate(parts, start=1):
        part.write(out.with_stem(f"{out.stem}-fold-{number}"))
    console = Console(highlight=False, soft_wrap=True)
    for line in manifest.told():
        console.print(escape(line))
    console.print(f"data digest: {manifest.digest}")


def _read(kind: type[Settings], file: Path | None) -> Settings:
    return from_mapping(kind, read_yaml(file), str(file)) if file else kind()


def _stop(report: "Report", strict: bool) -> None:
    errors, warnings = report.count("error"), report.count("warning")
    if errors:
        raise DataError(
            f"{report.name} cannot be trained on: {count_of(errors, 'error')}, see above"
        )
    if strict and warnings:
        raise DataError(f"{report.name}: {count_of(warnings, 'warning')}, see above; --strict")
