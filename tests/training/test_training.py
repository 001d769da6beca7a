"""Candidates are trained for real: on a few dozen scenes, at 32 pixels a side."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import CLASSES, CONFIG, SIZE
from weathervane.config import TrainConfig
from weathervane.data.prepare import Dataset
from weathervane.errors import UsageError
from weathervane.evaluation.evaluate import evaluate
from weathervane.saved_model import SavedModel
from weathervane.training.architectures import ARCHITECTURES
from weathervane.training.cache import Cache
from weathervane.training.confidence import fit_confidence
from weathervane.training.features import shallow_features
from weathervane.training.head import Linear, softmax
from weathervane.training.record import TrainingRecord
from weathervane.training.train import train


@pytest.fixture(scope="session")
def backbone_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from keras import applications, utils

    utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("weights") / "mobilenetv2.weights.h5"
    shape = (SIZE, SIZE, 3)
    applications.MobileNetV2(weights=None, include_top=False, input_shape=shape).save_weights(path)
    return path


def test_a_candidate_tells_how_it_was_trained(record: TrainingRecord, dataset: Dataset):
    assert record.settings == CONFIG
    assert (record.classes, record.size, record.data_digest) == (CLASSES, SIZE, dataset.data_digest)
    assert record.pictures["train"] == sum(dataset.counts["train"].values())
    assert len(record.curves.loss) == len(record.curves.validation_accuracy) == CONFIG.epochs
    assert record.curves.validation_loss[record.best_epoch - 1] == min(
        record.curves.validation_loss
    )
    assert {"python", "keras", "numpy"} <= record.versions.keys()


def test_a_candidate_takes_pictures_and_gives_probabilities(candidate: Path, dataset: Dataset):
    model = SavedModel(candidate / "model")
    pictures, _ = dataset.arrays("test")

    together = model(pictures)

    assert (model.size, model.classes) == (SIZE, len(CLASSES))
    assert together.dtype == np.float32
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert model(pictures[:1]) == pytest.approx(together[:1], abs=1e-6)


def test_a_candidate_has_learned_something(candidate: Path, dataset: Dataset):
    evaluation = evaluate(candidate / "model", dataset, "cnn")

    assert evaluation.figures.accuracy > 0.5
    assert evaluation.labels == tuple(dataset.arrays("test")[1])
    assert 0 < evaluation.latency_p50_seconds <= evaluation.latency_p95_seconds < 1
    assert 0.1 < evaluation.size_mebibytes < 2


@pytest.fixture(scope="module")
def repeated(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingRecord, Path, list[str]]:
    """The candidate once more, with weights that its architecture has no use for."""
    out = tmp_path_factory.mktemp("candidates") / "again"
    lines: list[str] = []
    return train(dataset, replace(CONFIG, weights="absent.h5"), out, lines.append), out, lines


def test_the_same_seed_gives_the_same_figures(
    dataset: Dataset, candidate: Path, record: TrainingRecord, repeated
):
    again, out, _ = repeated

    assert again.curves == record.curves
    pictures, _ = dataset.arrays("test")
    first, second = SavedModel(candidate / "model"), SavedModel(out / "model")
    assert np.array_equal(first(pictures), second(pictures))


def test_weights_are_not_for_an_architecture_that_takes_none(repeated):
    record, _, lines = repeated

    assert record.weights == "none"
    assert record.settings == CONFIG
    assert "takes no weights" in lines[0]


def test_every_epoch_is_told_with_the_time_left(repeated):
    _, _, (_, *lines) = repeated

    epochs = [f"cnn epoch {number}/{CONFIG.epochs}" for number in range(1, CONFIG.epochs + 1)]
    assert [line.split(":")[0] for line in lines] == epochs
    assert all("s left" in line for line in lines)


def test_training_ends_when_the_validation_loss_does_not_fall(dataset: Dataset, tmp_path: Path):
    # Steps this large learn nothing.
    hopeless = replace(CONFIG, epochs=9, patience=1, learning_rate=30.0)

    record = train(dataset, hopeless, tmp_path / "out")

    assert len(record.curves.loss) < 9


def test_an_interrupted_training_leaves_nothing_and_goes_on_where_it_was(
    dataset: Dataset, candidate: Path, record: TrainingRecord, tmp_path: Path
):
    cache, lines = Cache.at(tmp_path / "cache"), []

    def interrupt(line: str) -> None:
        if "epoch 2" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataset, CONFIG, tmp_path / "out", interrupt, cache=cache)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    again = train(dataset, CONFIG, tmp_path / "out", lines.append, cache=cache)

    assert [line.split(":")[0] for line in lines] == [f"cnn epoch 3/{CONFIG.epochs}"]
    assert again.curves == record.curves
    pictures, _ = dataset.arrays("test")
    first, second = SavedModel(candidate / "model"), SavedModel(tmp_path / "out" / "model")
    assert np.array_equal(first(pictures), second(pictures))


@pytest.fixture(scope="module")
def headed(
    dataset: Dataset, backbone_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainConfig, TrainingRecord, Path, Cache, list[str]]:
    """A head on a backbone, and the cache of its features."""
    folder = tmp_path_factory.mktemp("headed")
    config = replace(CONFIG, architecture="mobilenetv2", weights=str(backbone_weights))
    cache, lines = Cache.at(folder / "cache"), []
    record = train(dataset, config, folder / "out", lines.append, cache=cache)
    return config, record, folder / "out", cache, lines


def test_a_backbone_with_weights_is_left_as_it_is_and_gets_a_head(dataset: Dataset, headed):
    _, record, out, _, lines = headed

    assert record.weights.startswith("sha256:")
    assert any("features" in line for line in lines)
    # The head was trained on standardised features that LiteRT computed; the exported model
    # knows nothing of either.
    pictures, labels = dataset.arrays("validation")
    told = SavedModel(out / "model")(pictures).argmax(axis=1)
    expected = record.curves.validation_accuracy[record.best_epoch - 1]
    assert (told == labels).mean() == pytest.approx(expected)


def test_the_last_layers_learn_on_from_the_head_without_computing_features_again(
    dataset: Dataset, headed, tmp_path: Path
):
    config, _, _, cache, _ = headed
    lines: list[str] = []
    top = replace(config, unfrozen_layers=2, epochs=2)

    longer = train(dataset, top, tmp_path / "out", lines.append, cache=cache)

    assert not any("features" in line for line in lines)
    assert len(longer.curves.loss) == 4
    pictures, labels = dataset.arrays("validation")
    told = SavedModel(tmp_path / "out" / "model")(pictures).argmax(axis=1)
    assert (told == labels).mean() == pytest.approx(
        longer.curves.validation_accuracy[longer.best_epoch - 1]
    )


def test_the_graph_is_as_sure_as_was_fitted():
    import keras

    random = np.random.default_rng(0)
    features = random.normal(0, 1, (60, 1, 6)).astype(np.float32)
    labels = random.integers(0, 3, 60)
    head = Linear(random.normal(0, 2, (6, 3)).astype(np.float32), np.zeros(3, np.float32))
    fitted = fit_confidence(head, (features, labels), (features, labels), shallow=2)
    given = keras.Input((6,))

    told = keras.Model(given, fitted.join(head, given))(4 * features[:, 0]).numpy()

    logits = head(4 * features[:, 0]) / fitted.temperatures(4 * features[:, 0])[:, None]
    assert told == pytest.approx(softmax(logits), abs=1e-5)
    assert len(set(np.round(fitted.temperatures(4 * features[:, 0]), 6))) > 10


def test_the_shallower_half_of_a_backbones_maps_comes_first(backbone_weights: Path):
    network = ARCHITECTURES["mobilenetv2"].features(SIZE, str(backbone_weights))

    assert shallow_features(network) == 144 + 192
    assert shallow_features(ARCHITECTURES["cnn"].features(SIZE, None)) == 0


def test_weights_of_another_network_are_refused(
    dataset: Dataset, backbone_weights: Path, tmp_path: Path
):
    config = replace(CONFIG, architecture="efficientnetb0", weights=str(backbone_weights))

    with pytest.raises(UsageError, match="not of this network"):
        train(dataset, config, tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"architecture": "resnet"}, "no architecture .resnet.; there are cnn, "),
        ({"architecture": "mobilenetv2", "weights": "absent.h5"}, "no file of weights absent.h5"),
    ],
)
def test_wrong_settings_are_refused_by_name(dataset: Dataset, tmp_path: Path, wrong, complaint):
    with pytest.raises(UsageError, match=complaint):
        train(dataset, replace(CONFIG, **wrong), tmp_path / "out")


def test_a_folder_that_is_taken_is_left_alone(dataset: Dataset, tmp_path: Path):
    (tmp_path / "diary.txt").write_text("mine")

    with pytest.raises(UsageError, match="not an empty folder"):
        train(dataset, CONFIG, tmp_path)

    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_makes_features_of_pictures_of_any_size(name: str):
    network = ARCHITECTURES[name].features(48, None)

    assert network(np.zeros((2, 48, 48, 3), np.uint8)).shape == (2, network.output_shape[1])


def test_published_efficientnet_weights_see_pictures_divided_by_their_deviation(tmp_path: Path):
    from keras import Model, applications, layers

    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    shape = (SIZE, SIZE, 3)
    published = applications.EfficientNetB0(weights=None, include_top=False, input_shape=shape)
    (standardise,) = _layers(published, layers.Normalization)
    standardise.set_weights([mean, deviation, np.int64(0)])
    published.save_weights(tmp_path / "published.weights.h5")

    ours = ARCHITECTURES["efficientnetb0"].features(SIZE, str(tmp_path / "published.weights.h5"))

    (network,), (ahead,) = _layers(ours, Model), _layers(ours, layers.Rescaling)
    (standardise,) = _layers(network, layers.Normalization)
    seen = Model(network.inputs, standardise.output)
    pictures = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.uint8)
    assert seen(ahead(pictures)).numpy() == pytest.approx(
        (pictures / 255 - mean) / deviation, abs=1e-5
    )


def _layers(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]
