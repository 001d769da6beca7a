"""The whole compiled training pipeline with real processes, a real store and a real MLflow."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from pipelines.run import PipelineResult, run_training
from weathervane.config import StoreConfig
from weathervane.data.scenes import write_sample
from weathervane.errors import UsageError
from weathervane.registry.package import read_package
from weathervane.registry.store import Store
from weathervane.registry.versions import CHALLENGER, Registry

# Two that are quick to train. What a backbone needs besides, tests/training shows.
ARCHITECTURES = ("cnn", "cnn-small")
OPEN_GATE = {"min_accuracy": 0.0, "min_macro_f1": 0.0, "min_class_recall": 0.0, "max_ece": 1.0}


@dataclass(frozen=True)
class Place:
    """A platform without servers that take long to start, and some pictures."""

    folder: Path
    pictures: Path
    store: Store
    tracking_uri: str

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **self.store.config.as_environment(),
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "WEATHERVANE_STATE": str(self.folder / "state"),
        }


@pytest.fixture(scope="module")
def place(
    store_server: StoreConfig,
    empty_tracking_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    # A name as people give them: the steps pass it on in arguments and JSON.
    folder = tmp_path_factory.mktemp("it's späti")
    (folder / "mlflow.db").write_bytes(empty_tracking_database.read_bytes())
    store = Store(replace(store_server, bucket=f"pipeline-{uuid4().hex[:8]}"))
    store.ensure_bucket()
    write_sample(folder / "pictures", 100, seed=0)
    return Place(folder, folder / "pictures", store, f"sqlite:///{folder}/mlflow.db")


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def result(place: Place, said: list[str]) -> PipelineResult:
    return run_training(
        str(place.pictures),
        folder=place.folder / "runs",
        environment=place.environment,
        architectures=ARCHITECTURES,
        image_size=48,
        settings={
            "train": {"epochs": 3, "batch_size": 8},
            "evaluation": {"disturbed": 20, "explained": 2},
            "gate": OPEN_GATE,
        },
        progress=said.append,
    )


def test_every_candidate_is_judged_and_the_best_is_chosen(result: PipelineResult):
    judged = result.judgement
    accuracies = {name: one.figures.accuracy for name, one in judged.evaluations.items()}

    assert result.passed
    assert set(accuracies) == set(ARCHITECTURES)
    assert judged.chosen
    assert accuracies[judged.chosen] == max(accuracies.values())


def test_the_challenger_is_the_package_that_was_uploaded(
    result: PipelineResult, place: Place, tmp_path: Path
):
    challenger = Registry(place.tracking_uri).alias("weather", CHALLENGER)

    assert challenger
    assert challenger.digest == result.digest
    place.store.download_folder(challenger.uri, tmp_path / "package")
    assert read_package(tmp_path / "package", result.digest).size == 48
    assert result.version == 1


def test_the_reports_are_pages_with_names_that_browsers_know(result: PipelineResult):
    for page in (result.validation_report, result.comparison_report):
        assert page.suffix == ".html"
        assert page.parent == result.folder
        assert "</html>" in page.read_text()


def test_the_stores_secret_is_in_nothing_that_a_run_leaves(
    result: PipelineResult, place: Place, said: list[str]
):
    planted = place.store.config.secret_key
    left = {str(path): path for path in place.folder.rglob("*") if path.is_file()}
    rooms = ("models", "probes", "evaluations")
    stored = [f"{room}/{name}" for room in rooms for name in place.store.names(room)]

    assert (result.folder / "log.txt").exists()
    assert any(path.endswith("mlflow.db") for path in left)
    assert planted not in "\n".join(said)
    assert [name for name, path in left.items() if planted.encode() in path.read_bytes()] == []
    assert [name for name in stored if planted.encode() in place.store.read(name)] == []


def test_progress_tells_every_step_and_every_epoch(result: PipelineResult, said: list[str]):
    for step in result.steps:
        assert f"{step.name}: begun" in said
    for architecture in ARCHITECTURES:
        epochs = [line for line in said if line.startswith(f"train {architecture}: ")]
        assert sum("epoch" in line for line in epochs) == 3


def command(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "weathervane.cli", "pipeline", *arguments],
        env={**os.environ, **place.environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_gate_that_refuses_ends_the_command_with_4_and_every_failed_bound(place: Place):
    settings = place.folder / "strict.yaml"
    settings.write_text(
        "train: {epochs: 1, batch_size: 8}\n"
        "evaluation: {disturbed: 0, explained: 0}\n"
        "gate: {min_accuracy: 0.99, min_macro_f1: 0.98}\n"
    )

    done = command(
        place,
        *("run", "--data", str(place.pictures), "--architectures", "cnn", "--image-size", "32"),
        *("--settings", str(settings), "--model", "strict"),
    )

    assert done.returncode == 4, done.stderr
    assert "at least 0.99 asked for" in done.stdout
    assert "at least 0.98 asked for" in done.stdout
    assert "nothing was registered" in done.stdout
    assert Registry(place.tracking_uri).alias("strict", CHALLENGER) is None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--data", "{folder}/absent"], 3, "error: no such folder: {folder}/absent"),
        (["--data", "s3://absent/pictures"], 8, "has no bucket for s3://absent/pictures"),
    ],
)
def test_a_step_that_fails_ends_the_command_with_its_own_code_and_one_line(
    place: Place, arguments: Sequence[str], code: int, says: str
):
    done = command(place, "run", *(one.format(folder=place.folder) for one in arguments))

    assert done.returncode == code
    assert says.format(folder=place.folder) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_pictures_that_cannot_be_used_end_the_command_with_3_and_a_report(place: Place):
    one_class = place.folder / "one class"
    one_class.mkdir()
    (one_class / "sunny").symlink_to(place.pictures / "sunny")

    done = command(place, "run", "--data", str(one_class))

    assert done.returncode == 3
    assert "only 1 class: sunny" in done.stderr
    (line,) = (line for line in done.stdout.splitlines() if "report in " in line)
    assert Path(line.partition("report in ")[2]).is_file()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"architectures": ["cnm"]}, "no architecture cnm; there are cnn, cnn-small, mobilenetv2"),
        ({"architectures": []}, "no architecture to train"),
        ({"architectures": ["cnn", "cnn"]}, "each architecture once"),
        ({"image_size": 8}, "from 32 to 512 pixels, got 8"),
        ({"weights": "absent.h5"}, "no file of weights absent.h5"),
        ({"model": "Mein Wetter"}, "got 'Mein Wetter'"),
        ({"settings": {"trian": {}}}, "settings: trian"),
        ({"settings": {"evaluation": {"slices": ["colour"]}}}, "no slice by 'colour'"),
        ({"settings": {"gate": {"advisory": ["latncy"]}}}, "advisory names latncy"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(
    tmp_path: Path, wrong: Mapping[str, object], says: str
):
    with pytest.raises(UsageError, match=says):
        run_training("pictures", folder=tmp_path / "runs", environment={}, **wrong)

    assert not (tmp_path / "runs").exists()


def test_the_pipelines_are_compiled_where_they_are_asked_for(place: Place, tmp_path: Path):
    done = command(place, "compile", "--out", str(tmp_path / "compiled"))

    assert done.returncode == 0
    assert (tmp_path / "compiled" / "training.yaml").is_file()
