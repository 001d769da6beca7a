"""Steps that need neither TensorFlow nor MLflow: what they unpack, pack and refuse."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from kfp import dsl

from components.gate import gate
from components.judge import judge as judge_looks
from components.look import look
from components.preprocess import preprocess
from components.upload import upload
from components.validate import validate
from weathervane.config import TrainConfig
from weathervane.data.comparison import baseline_of
from weathervane.data.images import PREPROCESSING
from weathervane.data.looking import look_at_part
from weathervane.data.manifest import Manifest
from weathervane.data.prepare import Dataset
from weathervane.data.probes import read_probes
from weathervane.data.report import Report
from weathervane.errors import DataError, PackageError, UsageError
from weathervane.evaluation.contest import Contest
from weathervane.evaluation.evaluation import Evaluation
from weathervane.evaluation.judgements import read_judgement
from weathervane.evaluation.metrics import ClassFigures, Figures
from weathervane.evaluation.roc import Roc
from weathervane.registry.package import DESCRIPTION, Description, seal
from weathervane.registry.store import Store
from weathervane.training.record import Curves, TrainingRecord

Artifact = Callable[..., dsl.Artifact]


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """An artifact as the executor hands it to a step: a path to write to."""

    def make(name: str, kind: type[dsl.Artifact] = dsl.Artifact, **metadata: object):
        return kind(name=name, uri=str(tmp_path / name), metadata=metadata)

    return make


def write_pictures(folder: Path, classes: Mapping[str, int]) -> Path:
    for place, (label, count) in enumerate(classes.items()):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            cells = np.random.default_rng(1000 * place + number).integers(0, 256, (6, 8, 3))
            picture = cv2.resize(cells.astype(np.uint8), (64, 48))
            cv2.imwrite(str(folder / label / f"{number}.png"), picture)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures", {"foggy": 12, "sunny": 14})


def run_validate(data: str, artifact: Artifact, settings: dict | None = None) -> Report:
    report = artifact("report")
    validate.python_func(
        data=data,
        settings=settings or {},
        report=report,
        page=artifact("page", dsl.HTML),
        counts=artifact("counts", dsl.Metrics),
    )
    return Report.read(Path(report.path))


def run_preprocess(data: Path | str, artifact: Artifact) -> tuple[Manifest, Dataset]:
    manifest, dataset = artifact("manifest"), artifact("dataset", dsl.Dataset)
    preprocess.python_func(
        data=str(data),
        settings={"split": {"seed": 3}},
        image_size=32,
        report=artifact("report"),
        manifest=manifest,
        dataset=dataset,
    )
    opened = Dataset.open(Path(dataset.path))
    assert dataset.metadata == {"data_digest": opened.data_digest}
    return Manifest.read(Path(manifest.path)), opened


def test_pictures_become_a_report_a_manifest_and_a_data_set(pictures: Path, artifact: Artifact):
    report = run_validate(str(pictures), artifact)
    manifest, dataset = run_preprocess(pictures, artifact)

    assert report.passed
    assert "<html" in Path(artifact("page").path).read_text()
    assert manifest.digest == dataset.data_digest
    assert dataset.classes == ("foggy", "sunny")
    assert dataset.arrays("train")[0].shape[1:] == (32, 32, 3)


def test_an_archive_is_pictures_to_every_step(pictures: Path, tmp_path: Path, artifact: Artifact):
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "gztar", pictures))

    report = run_validate(str(packed), artifact)
    manifest, dataset = run_preprocess(packed, artifact)

    assert report.name == str(packed)
    assert "data:image/jpeg" in Path(artifact("page").path).read_text()
    assert manifest.digest == dataset.data_digest
    assert {label: one.usable for label, one in report.classes.items()} == {
        "foggy": 12,
        "sunny": 14,
    }


def test_pictures_that_are_refused_leave_their_report_behind(tmp_path: Path, artifact: Artifact):
    data = write_pictures(tmp_path / "one", {"sunny": 12})

    assert not run_validate(str(data), artifact).passed
    with pytest.raises(DataError, match="only 1 class"):
        run_preprocess(data, artifact)
    assert not Path(artifact("dataset").path).exists()


def test_settings_reach_the_validation(pictures: Path, artifact: Artifact):
    settings = {"validation": {"min_pictures_per_class": 13.0}}

    assert not run_validate(str(pictures), artifact, settings).passed


def test_labels_are_looked_at_when_settings_say_so(pictures: Path, artifact: Artifact):
    labelled = {"validation": {"label_errors": True}}

    assert run_validate(str(pictures), artifact).suspects == ()
    # Noise has no class: a model that guesses suspects some.
    assert run_validate(str(pictures), artifact, labelled).suspects


def test_a_shift_against_a_baseline_stops_the_pipeline_and_leaves_its_report(
    tmp_path: Path, artifact: Artifact, store: Store, monkeypatch: pytest.MonkeyPatch
):
    for name, value in store.config.as_environment().items():
        monkeypatch.setenv(name, value)
    usual = write_pictures(tmp_path / "usual", {"foggy": 30, "sunny": 30})
    dark = write_pictures(tmp_path / "dark", {"foggy": 30, "sunny": 30})
    for path in dark.rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path)) // 4)
    baseline_of(str(usual)).write(tmp_path / "kept" / "baseline.json")
    settings = {
        "shift": {"against": f"{store.upload_folder(tmp_path / 'kept', 'kept')}/baseline.json"}
    }

    assert run_validate(str(usual), artifact, settings).passed
    assert not run_validate(str(dark), artifact, settings).passed
    with pytest.raises(DataError, match=r"brightness.*WV601"):
        run_preprocess(dark, artifact)
    assert "Compared with" in Path(artifact("page").path).read_text()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"validaton": {}}, "settings: validaton"),
        ({"train": {"epoch": 3}}, "settings: train.epoch"),
        ({"gate": {"min_accuracy": "high"}}, "settings: gate.min_accuracy.*got 'high'"),
    ],
)
def test_misspelt_settings_stop_the_first_step(
    pictures: Path, artifact: Artifact, settings: dict, says: str
):
    with pytest.raises(UsageError, match=says):
        run_validate(str(pictures), artifact, settings)


def test_pictures_in_the_store_are_fetched(
    pictures: Path, artifact: Artifact, store: Store, monkeypatch: pytest.MonkeyPatch
):
    for name, value in store.config.as_environment().items():
        monkeypatch.setenv(name, value)

    report = run_validate(store.upload_folder(pictures, "data/weather"), artifact)

    assert {label: one.usable for label, one in report.classes.items()} == {
        "foggy": 12,
        "sunny": 14,
    }


def evaluation(name: str, right: int, total: int = 100) -> Evaluation:
    share = right / total
    one = ClassFigures(precision=share, recall=share, f1=share, support=total // 2)
    return Evaluation(
        name=name,
        data_digest="d" * 64,
        figures=Figures(
            pictures=total,
            accuracy=share,
            balanced_accuracy=share,
            macro_f1=share,
            log_loss=0.3,
            ece=0.05,
            classes={"foggy": one, "sunny": one},
            confusion=((right, total - right), (0, 0)),
            roc=Roc(
                area=share,
                false_positive_rate=(0.0, 1.0),
                true_positive_rate=(0.0, 1.0),
                threshold=(1.0, 0.5),
            ),
        ),
        labels=(0,) * total,
        predicted=(0,) * right + (1,) * (total - right),
        latency_p50_seconds=0.01,
        latency_p95_seconds=0.02,
        size_mebibytes=1.0,
    )


RECORD = TrainingRecord(
    settings=TrainConfig(),
    weights="none",
    classes=("foggy", "sunny"),
    size=32,
    data_digest="d" * 64,
    pictures={"train": 60, "validation": 20, "test": 100},
    parameters=1000,
    curves=Curves(
        loss=(1.0, 0.5),
        accuracy=(0.5, 0.8),
        validation_loss=(1.1, 0.6),
        validation_accuracy=(0.5, 0.7),
    ),
    best_epoch=2,
    seconds=1.5,
    versions={"weathervane": "0.1.0"},
)


@pytest.fixture
def judge(artifact: Artifact) -> Callable[..., tuple[bool, dict[str, dsl.Artifact]]]:
    """Run the gate over candidates with so many right answers out of a hundred."""

    def run(champion: int | None = None, settings: dict | None = None, **right: int):
        contest = artifact("contest")
        Contest(
            candidates=tuple(evaluation(name, count) for name, count in right.items()),
            champion=None if champion is None else evaluation("champion", champion),
        ).write(Path(contest.path))
        candidates = [artifact(name, dsl.Model, architecture=name) for name in right]
        for candidate in candidates:
            Path(candidate.path).mkdir()
            RECORD.write(Path(candidate.path) / "training.json")
        outputs = {
            "judgement": artifact("judgement"),
            "chosen": artifact("chosen", dsl.Model),
            "page": artifact("page", dsl.HTML),
            "figures": artifact("figures", dsl.Metrics),
            "confusion": artifact("confusion", dsl.ClassificationMetrics),
            "roc": artifact("roc", dsl.ClassificationMetrics),
        }
        passed = gate.python_func(
            settings=settings or {}, contest=contest, candidates=candidates, **outputs
        )
        return passed, outputs

    return run


def test_the_gate_hands_on_the_best_candidate(judge, artifact: Artifact):
    passed, outputs = judge(cnn=88, mobilenetv2=93, champion=90)

    judged = read_judgement(Path(outputs["judgement"].path))
    assert passed is True
    assert judged.chosen == "mobilenetv2"
    chosen = Path(outputs["chosen"].path, "training.json")
    assert chosen.read_bytes() == Path(artifact("mobilenetv2").path, "training.json").read_bytes()
    assert outputs["figures"].metadata == {"accuracy": 0.93, "macro F1": 0.93}
    rows = outputs["confusion"].metadata["confusionMatrix"]["rows"]
    assert [row["row"] for row in rows] == [[93, 7], [0, 0]]
    curve = outputs["roc"].metadata["confidenceMetrics"]
    assert (curve[0]["falsePositiveRate"], curve[-1]["recall"]) == (0.0, 1.0)
    assert "mobilenetv2" in Path(outputs["page"].path).read_text()


def test_a_gate_that_refuses_says_why_and_hands_on_nothing(judge, capsys: pytest.CaptureFixture):
    passed, outputs = judge(cnn=60, champion=90)

    assert passed is False
    assert read_judgement(Path(outputs["judgement"].path)).chosen is None
    assert not Path(outputs["chosen"].path).exists()
    said = capsys.readouterr().out
    assert "cnn refused: accuracy is 0.600, at least 0.7" in said
    assert "0.300 of accuracy lost against the champion's 0.900" in said
    assert outputs["figures"].metadata["accuracy"] == 0.6


def test_settings_reach_the_gate(judge):
    passed, _ = judge(cnn=88, settings={"gate": {"min_accuracy": 0.89}})

    assert passed is False


@pytest.fixture
def package(artifact: Artifact) -> dsl.Artifact:
    """A sealed package of made-up files; its digest is in the metadata."""
    made = artifact("package", dsl.Model)
    Path(made.path, "variables").mkdir(parents=True)
    Path(made.path, "saved_model.pb").write_bytes(b"graph")
    Path(made.path, "variables", "variables.index").write_bytes(b"numbers")
    sealed = seal(
        Path(made.path),
        Description(
            model="weather",
            labels=("foggy", "sunny"),
            size=32,
            preprocessing=PREPROCESSING,
            data_digest="d" * 64,
            code_version="0.1.0",
        ),
    )
    made.metadata["digest"] = sealed.digest
    return made


@pytest.fixture
def upload_package(
    package, pictures: Path, artifact: Artifact, store: Store, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Upload the package as the digest that is given."""
    for name, value in store.config.as_environment().items():
        monkeypatch.setenv(name, value)
    run_validate(str(pictures), artifact)
    run_preprocess(pictures, artifact)
    Path(artifact("judgement").path).write_text("{}")
    Path(artifact("card", dsl.Markdown).path).write_text("# Model card: <b>weather</b>")

    def run(digest: str) -> str:
        return upload.python_func(
            digest=digest,
            package=package,
            dataset=artifact("dataset", dsl.Dataset),
            judgement=artifact("judgement"),
            page=artifact("page", dsl.HTML),
            card=artifact("card", dsl.Markdown),
        )

    return run


def test_an_upload_brings_the_package_its_probes_and_its_judgement(
    upload_package, package, store: Store, tmp_path: Path
):
    digest = package.metadata["digest"]

    uri = upload_package(digest)

    assert uri == store.uri(f"models/weather/{digest}")
    assert json.loads(store.read(f"{uri}/{DESCRIPTION}"))["model"] == "weather"
    assert store.read(f"evaluations/{digest}/judgement.json") == b"{}"
    assert store.exists(f"evaluations/{digest}/comparison.html")
    assert store.read(f"evaluations/{digest}/model-card.md").startswith(b"# Model card")
    card = store.read(f"evaluations/{digest}/model-card.html")
    assert b"<h1>Model card: &lt;b&gt;weather&lt;/b&gt;</h1>" in card
    store.download_folder("probes/" + "d" * 64, tmp_path / "probes")
    assert {probe.label for probe in read_probes(tmp_path / "probes")} == {"foggy", "sunny"}


def test_an_upload_may_be_repeated(upload_package, package):
    digest = package.metadata["digest"]

    assert upload_package(digest) == upload_package(digest)


def test_what_is_not_the_package_that_was_made_is_not_uploaded(
    upload_package, package, store: Store
):
    Path(package.path, "saved_model.pb").write_bytes(b"GRAPH")

    with pytest.raises(PackageError, match="altered"):
        upload_package(package.metadata["digest"])

    assert not store.exists(f"models/weather/{package.metadata['digest']}/saved_model.pb")


def run_in_shards(data: str, artifact: Artifact, shards: int, settings: dict | None = None):
    """What `look` sees in so many shards, judged by `judge`; the report's path is "report"."""
    looks = [artifact(f"looks {number} of {shards}") for number in range(shards)]
    for number, each in enumerate(looks, start=1):
        look.python_func(data=data, shard=f"{number}/{shards}", looks=each)
    judge_looks.python_func(
        data=data,
        settings=settings or {},
        looks=looks,
        report=artifact("report"),
        page=artifact("page", dsl.HTML),
        counts=artifact("counts", dsl.Metrics),
    )
    return Report.read(Path(artifact("report").path))


def test_one_step_one_shard_and_eight_give_the_same_manifest_and_page(
    pictures: Path, artifact: Artifact, store: Store, monkeypatch: pytest.MonkeyPatch
):
    for name, value in store.config.as_environment().items():
        monkeypatch.setenv(name, value)
    (pictures / "sunny" / "flip.png").write_bytes((pictures / "foggy" / "3.png").read_bytes())
    (pictures / "sunny" / "broken.png").write_bytes(b"no picture")
    address = store.upload_folder(pictures, "data/shards")
    manifests, pages = set(), set()

    for data in (str(pictures), address):
        for report in (
            run_validate(data, artifact),
            run_in_shards(data, artifact, 1),
            run_in_shards(data, artifact, 8),
        ):
            assert {each.code for each in report.findings} >= {"WV204", "WV403"}
            manifest, _ = run_preprocess(data, artifact)
            manifests.add(Path(artifact("manifest").path).read_bytes())
            pages.add(Path(artifact("page").path).read_text().replace(data, "DATA"))
            shutil.rmtree(artifact("dataset").path)

    assert len(manifest.rows) == 25
    assert len(manifests) == 1
    (page,) = pages
    assert page.count("data:image/jpeg") > 8


def test_a_shard_fetches_its_own_pictures_only(
    pictures: Path, artifact: Artifact, store: Store, monkeypatch: pytest.MonkeyPatch
):
    for name, value in store.config.as_environment().items():
        monkeypatch.setenv(name, value)
    address = store.upload_folder(pictures, "data/parts")
    fetched = Path(artifact("fetched").path)

    looks = look_at_part(address, "2/8", fetched)

    assert sorted(str(path.relative_to(fetched)) for path in fetched.rglob("*.png")) == sorted(
        each.path for each in looks.looks
    )
    assert (len(looks.looks), len(looks.listing.paths())) == (4, 26)


def test_shards_are_compared_with_a_baseline_as_a_whole_is(
    pictures: Path, tmp_path: Path, artifact: Artifact
):
    dark = write_pictures(tmp_path / "dark", {"foggy": 30, "sunny": 30})
    for path in dark.rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path)) // 4)
    settings = {"shift": {"against": str(dark)}, "validation": {"label_errors": True}}

    whole = run_validate(str(pictures), artifact, settings)
    shards = run_in_shards(str(pictures), artifact, 3, settings)

    assert whole.shift
    assert (shards.shift, shards.suspects) == (whole.shift, whole.suspects)
