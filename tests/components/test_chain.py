"""The steps that train, measure, package and register, one after the other, on a tiny data set.

With the real store and a real MLflow database. Each test looks at what one step left behind.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.evaluate import evaluate
from components.gate import gate
from components.package import package
from components.preprocess import preprocess
from components.register import register
from components.train import train
from components.upload import upload
from components.validate import validate
from weathervane.config import StoreConfig
from weathervane.data.scenes import write_sample
from weathervane.evaluation.contest import Contest
from weathervane.evaluation.judgements import read_judgement
from weathervane.registry.package import read_package
from weathervane.registry.store import Store
from weathervane.registry.versions import CHALLENGER, CHAMPION, Registry
from weathervane.training.record import TrainingRecord

# Enough to tell snow from sunshine now and then, in seconds.
PICTURES, PIXELS = 100, 48
SETTINGS = {
    "train": {"epochs": 4, "batch_size": 8},
    "evaluation": {"disturbed": 20, "explained": 2},
    "gate": {"min_accuracy": 0.0, "min_macro_f1": 0.0, "min_class_recall": 0.0, "max_ece": 1.0},
}


@dataclass(frozen=True)
class Chain:
    """Everything that the steps left: artifacts by name, values that they returned."""

    artifacts: dict[str, dsl.Artifact]
    returned: dict[str, Any]
    store: Store
    registry: Registry

    def path(self, name: str) -> Path:
        return Path(self.artifacts[name].path)


@pytest.fixture(scope="module")
def chain(
    store_server: StoreConfig,
    empty_tracking_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    tracking_uri = f"sqlite:///{folder}/mlflow.db"
    (folder / "mlflow.db").write_bytes(empty_tracking_database.read_bytes())
    store = Store(replace(store_server, bucket="chain"))
    store.ensure_bucket()
    write_sample(folder / "pictures", PICTURES, seed=0)
    made: dict[str, dsl.Artifact] = {}

    def new(name: str, kind: type[dsl.Artifact] = dsl.Artifact) -> dsl.Artifact:
        made[name] = kind(name=name, uri=str(folder / name), metadata={})
        return made[name]

    given = {"data": str(folder / "pictures"), "settings": SETTINGS}
    returned: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        patch.setenv("WEATHERVANE_STATE", str(folder / "state"))
        for name, value in store.config.as_environment().items():
            patch.setenv(name, value)
        validate.python_func(
            **given,
            report=new("report"),
            page=new("validation", dsl.HTML),
            counts=new("counts", dsl.Metrics),
        )
        preprocess.python_func(
            **given,
            image_size=PIXELS,
            report=made["report"],
            manifest=new("manifest"),
            dataset=new("dataset", dsl.Dataset),
        )
        train.python_func(
            architecture="cnn",
            weights="",
            settings=SETTINGS,
            dataset=made["dataset"],
            candidate=new("candidate", dsl.Model),
        )
        returned["runs"] = evaluate.python_func(
            **given,
            model="weather",
            manifest=made["manifest"],
            dataset=made["dataset"],
            candidates=[made["candidate"]],
            contest=new("contest"),
            figures=new("figures", dsl.Metrics),
        )
        returned["passed"] = gate.python_func(
            settings=SETTINGS,
            contest=made["contest"],
            candidates=[made["candidate"]],
            judgement=new("judgement"),
            chosen=new("chosen", dsl.Model),
            page=new("comparison", dsl.HTML),
            figures=new("gate figures", dsl.Metrics),
            confusion=new("confusion", dsl.ClassificationMetrics),
            roc=new("roc", dsl.ClassificationMetrics),
        )
        returned["digest"] = package.python_func(
            model="weather",
            chosen=made["chosen"],
            judgement=made["judgement"],
            package=new("package", dsl.Model),
            card=new("card", dsl.Markdown),
        )
        returned["uri"] = upload.python_func(
            digest=returned["digest"],
            package=made["package"],
            dataset=made["dataset"],
            judgement=made["judgement"],
            page=made["comparison"],
            card=made["card"],
        )
        for attempt in ("version", "version again"):
            returned[attempt] = register.python_func(
                model="weather",
                digest=returned["digest"],
                uri=returned["uri"],
                runs=returned["runs"],
                judgement=made["judgement"],
            )
        yield Chain(made, returned, store, Registry(tracking_uri, store=store.config))


def test_training_leaves_a_model_and_its_record(chain: Chain):
    record = TrainingRecord.read(chain.path("candidate") / "training.json")

    assert (chain.path("candidate") / "model" / "saved_model.pb").is_file()
    assert record.settings.epochs == len(record.curves.loss) == 4
    assert chain.artifacts["candidate"].metadata["architecture"] == "cnn"


def test_the_run_in_mlflow_has_settings_curves_and_figures(chain: Chain):
    run = chain.registry._client.get_run(chain.returned["runs"]["cnn"])
    curve = chain.registry._client.get_metric_history(run.info.run_id, "validation_loss")
    (measured,) = Contest.read(chain.path("contest")).candidates

    assert run.data.params["epochs"] == "4"
    assert run.data.metrics["test_accuracy"] == measured.figures.accuracy
    assert [point.step for point in curve] == [1, 2, 3, 4]
    record = chain.store.read(f"mlflow/{run.info.run_id}/artifacts/training.json")
    assert record == (chain.path("candidate") / "training.json").read_bytes()


def test_what_serves_answers_as_the_saved_model_on_every_test_picture(chain: Chain):
    (measured,) = Contest.read(chain.path("contest")).candidates

    assert measured.parity
    assert measured.parity.largest_difference <= 1e-4
    assert measured.parity.labels_differing == 0


def test_without_a_champion_the_bounds_alone_decide(chain: Chain):
    judged = read_judgement(chain.path("judgement"))

    assert chain.returned["passed"] is True
    assert judged.champion is None
    assert judged.chosen == "cnn"


def test_the_package_in_the_store_is_the_one_that_was_made(chain: Chain, tmp_path: Path):
    chain.store.download_folder(chain.returned["uri"], tmp_path / "package")

    found = read_package(tmp_path / "package", chain.returned["digest"])
    assert found.labels == ("cloudy", "foggy", "rainy", "snowy", "sunny")
    assert found.size == PIXELS
    (measured,) = Contest.read(chain.path("contest")).candidates
    assert found.metrics["test_accuracy"] == pytest.approx(measured.figures.accuracy, abs=1e-4)
    assert measured.outliers
    assert found.ood_threshold == measured.outliers.threshold


def test_the_package_has_a_card_beside_it(chain: Chain):
    digest = chain.returned["digest"]

    card = chain.path("card").read_text(encoding="utf-8")

    assert digest in card
    assert chain.artifacts["dataset"].metadata["data_digest"] in card
    assert chain.store.read(f"evaluations/{digest}/model-card.md").decode() == card
    page = chain.store.read(f"evaluations/{digest}/model-card.html").decode()
    assert f"<code>{digest}</code>" in page


def test_a_step_that_is_repeated_registers_one_version(chain: Chain):
    assert chain.returned["version"] == chain.returned["version again"] == 1


def test_the_version_is_the_challenger_and_knows_where_it_comes_from(chain: Chain):
    challenger = chain.registry.alias("weather", CHALLENGER)
    version = chain.registry._client.get_model_version("weather", "1")

    assert challenger
    assert (challenger.digest, challenger.uri) == (
        chain.returned["digest"],
        chain.returned["uri"],
    )
    assert chain.registry.alias("weather", CHAMPION) is None
    assert version.run_id == chain.returned["runs"]["cnn"]
    run = chain.registry._client.get_run(version.run_id)
    assert run.data.tags["package_digest"] == chain.returned["digest"]
    assert run.data.tags["data_digest"] == version.tags["data_digest"]
    assert version.tags["data_digest"] == chain.artifacts["dataset"].metadata["data_digest"]


def test_a_champion_of_another_size_answers_the_same_pictures(chain: Chain, tmp_path: Path):
    """The champion is the package that was just made; the new data set is of another size."""
    chain.registry.set_alias("weather", CHAMPION, chain.returned["digest"])
    dataset = dsl.Dataset(name="larger", uri=str(tmp_path / "larger"), metadata={})
    candidate = dsl.Model(name="larger", uri=str(tmp_path / "candidate"), metadata={})
    contest = dsl.Artifact(name="contest", uri=str(tmp_path / "contest"), metadata={})
    data = str(chain.path("report").parent / "pictures")
    preprocess.python_func(
        data=data,
        settings=SETTINGS,
        image_size=PIXELS + 16,
        report=chain.artifacts["report"],
        manifest=dsl.Artifact(name="manifest", uri=str(tmp_path / "manifest"), metadata={}),
        dataset=dataset,
    )
    train.python_func(
        architecture="cnn",
        weights="",
        settings={"train": {"epochs": 1, "batch_size": 8}},
        dataset=dataset,
        candidate=candidate,
    )
    evaluate.python_func(
        data=data,
        settings={"evaluation": {"disturbed": 0, "explained": 0}},
        model="weather",
        manifest=chain.artifacts["manifest"],
        dataset=dataset,
        candidates=[candidate],
        contest=contest,
        figures=dsl.Metrics(name="figures", uri=str(tmp_path / "figures"), metadata={}),
    )

    champion = Contest.read(Path(contest.path)).champion
    (before,) = Contest.read(chain.path("contest")).candidates
    assert champion
    assert champion.labels == before.labels
    assert champion.predicted == before.predicted
