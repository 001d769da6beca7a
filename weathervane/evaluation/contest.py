"""Candidates and champion on the same test pictures: what the gate judges.

In: candidates' folders, the champion's package when there is one, and the data. Out: a `Contest`,
and its JSON. A champion that sees pictures at another size gets the same originals at its own.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weathervane.data.files import write_whole
from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.sources import local_folder
from weathervane.errors import DataError
from weathervane.evaluation.evaluate import evaluate
from weathervane.evaluation.metrics import Evaluation
from weathervane.registry.package import Package


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
    progress: Callable[[str], None] = lambda line: None,
) -> Contest:
    """Evaluate every candidate (a folder as `train` writes it) and the champion.

    Args:
        candidates: by name.
        champion: the package that is live.
        dataset: what the candidates were trained on.
        manifest: of that data.
        data: where its pictures are, as the pipeline was told.
        progress: told each model's accuracy.

    Raises:
        PackageError: when a model cannot answer the pictures.
        DataError: when pictures are gone or have changed.
    """
    evaluations = []
    for name, folder in candidates.items():
        evaluations.append(evaluate(folder / "model", dataset, name))
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
            test = Manifest(manifest.split("test"))
            resized = prepare(test, folder, champion.size, Path(scratch, "dataset"))
            # The same pictures of the same data, so that the two may be compared.
            dataset = replace(resized, data_digest=dataset.data_digest)
        ours = evaluate(champion.folder, dataset, "champion")
    progress(f"champion {champion.digest[:12]}: accuracy {ours.figures.accuracy:.3f}")
    return Contest(candidates=tuple(evaluations), champion=ours)
