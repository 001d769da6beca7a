"""Candidates and champion on the same test pictures: what the gate judges.

In: candidates' folders, the champion's package when there is one, and the data. Out: a `Contest`,
and its JSON. A champion that sees pictures at another size gets the same originals at its own.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weathervane.config import EvaluationConfig
from weathervane.data.files import write_whole
from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.sources import local_folder
from weathervane.errors import DataError
from weathervane.evaluation.evaluate import evaluate
from weathervane.evaluation.evaluation import Evaluation, Origin, Share
from weathervane.evaluation.slices import Slices, cut
from weathervane.registry.package import Package
from weathervane.registry.packaging import convert
from weathervane.registry.saved_model_graph import check_saved_model
from weathervane.training.record import TrainingRecord


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Everybody's figures. No champion: there is none yet, or it knows other classes."""

    candidates: tuple[Evaluation, ...]
    champion: Evaluation | None

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_whole(path, _CONTEST.dump_json(self, indent=1))

    @staticmethod
    def read(path: Path) -> "Contest":
        """Read what `write` wrote.

        Raises:
            DataError: when the file does not hold a contest.
        """
        try:
            return _CONTEST.validate_json(path.read_bytes())
        except ValidationError as error:
            raise DataError(f"{path} holds no evaluations: {error}") from error


_CONTEST = TypeAdapter(Contest)


def hold_contest(
    candidates: Mapping[str, Path],
    champion: Package | None,
    dataset: Dataset,
    *,
    manifest: Manifest,
    data: str,
    config: EvaluationConfig | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Contest:
    """Evaluate every candidate (a folder as `train` writes it) and the champion.

    Args:
        candidates: by name.
        champion: the package that is live.
        dataset: what the candidates were trained on.
        manifest: of that data.
        data: where its pictures are, as the pipeline was told.
        config: how closely to look.
        progress: told each model's accuracy.

    Raises:
        PackageError: when a model cannot answer the pictures, or cannot be converted.
        DataError: when pictures are gone or have changed, or the manifest is of other data.
        UsageError: when there is no such slice as the settings name.
    """
    config = config or EvaluationConfig()
    rows = manifest.split("test")
    if tuple(row.sha256 for row in rows) != dataset.digests("test"):
        raise DataError(f"the manifest is not that of {dataset.folder}: prepare the data again")
    slices = cut(dataset.arrays("test")[0], rows, config.slices)
    evaluations = []
    for name, folder in candidates.items():
        evaluations.append(
            _candidate(name, folder, dataset, manifest=manifest, slices=slices, config=config)
        )
        progress(f"{name}: accuracy {evaluations[-1].figures.accuracy:.3f}")
    if champion is None:
        progress("no champion yet")
        return Contest(candidates=tuple(evaluations), champion=None)
    if champion.labels != dataset.classes:
        progress(
            f"the champion is not compared: it tells {', '.join(champion.labels)} apart, the data "
            f"{', '.join(dataset.classes)}"
        )
        return Contest(candidates=tuple(evaluations), champion=None)
    with tempfile.TemporaryDirectory() as scratch:
        if champion.size != dataset.size:
            folder = local_folder(data, Path(scratch, "pictures"))
            resized = prepare(Manifest(rows), folder, champion.size, Path(scratch, "dataset"))
            # The same pictures of the same data, so that the two may be compared.
            dataset = replace(resized, data_digest=dataset.data_digest)
        ours = evaluate(
            champion.folder,
            dataset,
            "champion",
            litert=champion.litert_model,
            temperature=champion.temperature,
            slices=slices,
            # It is there to compare with: nobody asks why it said what.
            config=replace(config, explained=0),
        )
    progress(f"champion {champion.digest[:12]}: accuracy {ours.figures.accuracy:.3f}")
    return Contest(candidates=tuple(evaluations), champion=ours)


def _candidate(
    name: str,
    folder: Path,
    dataset: Dataset,
    *,
    manifest: Manifest,
    slices: Slices,
    config: EvaluationConfig,
) -> Evaluation:
    record = TrainingRecord.read(folder / "training.json")

    def origin(share: Callable[[str], Share]) -> Origin:
        return Origin(
            leaked=leaked(manifest),
            trained_accuracy=record.curves.validation_accuracy[record.best_epoch - 1],
            exported_accuracy=share("validation").accuracy,
            unseen=share("probe"),
        )

    check_saved_model(folder / "model")  # the converter loads it
    with tempfile.TemporaryDirectory() as scratch:
        # As it will be served: the package is made of the one that is chosen, after the gate.
        litert = Path(scratch, "model.tflite")
        litert.write_bytes(convert(folder / "model"))
        return evaluate(
            folder / "model",
            dataset,
            name,
            litert=litert,
            slices=slices,
            config=config,
            origin=origin,
        )


def leaked(manifest: Manifest) -> int:
    """Test pictures that are training pictures too: the same file, a near duplicate, or a part."""
    trained = manifest.split("train")
    files, scenes = {row.sha256 for row in trained}, {row.scene for row in trained}
    return sum(row.sha256 in files or row.scene in scenes for row in manifest.split("test"))
