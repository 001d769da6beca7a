"""Models that would do more than classify are refused before they are loaded; all of ours pass."""

from pathlib import Path

import pytest

from tests.training.conftest import SIZE
from weathervane.errors import PackageError
from weathervane.registry.litert_graph import check_litert
from weathervane.registry.packaging import build_package, convert
from weathervane.registry.saved_model_graph import check_saved_model
from weathervane.saved_model import SavedModel
from weathervane.training.architectures import ARCHITECTURES
from weathervane.training.export import export

NAMES = (
    *("ReadFile", "ReadFile in a branch", "ReadFile in a loop", "WholeFileReaderV2"),
    *("MatchingFiles", "TextLineDataset", "WriteFile", "PrintV2", "SaveV2", "RestoreV2"),
    *("AssignVariableOp", "RandomUniform", "PyFunc", "PyFunc in a Lambda", "EagerPyFunc"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_does_more_than_classify_is_refused_unloaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import tensorflow as tf

    from tests.training.hostile_models import HOSTILE, save

    model = save(tmp_path / "model", HOSTILE[name])
    monkeypatch.setattr(tf.saved_model, "load", lambda _: pytest.fail("it was loaded"))

    with pytest.raises(PackageError, match=rf"harmless: .*{name.partition(' ')[0]} \(node"):
        SavedModel(model)


def test_all_of_them_are_tried():
    from tests.training.hostile_models import HOSTILE

    assert set(HOSTILE) == set(NAMES)


def test_packaging_refuses_it_in_words_and_leaves_nothing(tmp_path: Path):
    from tests.training.hostile_models import HOSTILE, save

    model = save(tmp_path / "model", HOSTILE["ReadFile"])

    with pytest.raises(PackageError, match=r"ReadFile .* export the model without them"):
        build_package(
            model,
            tmp_path / "package",
            model="weather",
            labels=("a", "b", "c"),
            size=SIZE,
            data_digest="d",
            code_version="0",
        )

    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_model_of_ours_passes_in_both_forms(name: str, tmp_path: Path):
    import keras

    features = ARCHITECTURES[name].features(SIZE, None)
    told = keras.layers.Dense(5, activation="softmax")(features.output)
    export(keras.Model(features.input, told), SIZE, tmp_path / "model")

    check_saved_model(tmp_path / "model")
    (tmp_path / "model.tflite").write_bytes(convert(tmp_path / "model"))
    check_litert(tmp_path / "model.tflite")
