"""Packages from a model that was trained: converted, proven by golden pictures, sealed, spoiled."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from tests.training.conftest import CLASSES, SIZE
from weathervane.data import images
from weathervane.data.prepare import Dataset
from weathervane.errors import PackageError
from weathervane.registry.package import DESCRIPTION, LITERT_MODEL, Package, read_package
from weathervane.registry.packaging import build_package
from weathervane.registry.spoil import relabel_package, slow_down
from weathervane.saved_model import SavedModel

ABOUT = {
    "model": "weather",
    "labels": CLASSES,
    "size": SIZE,
    "data_digest": "d" * 64,
    "code_version": "0.1.0",
}


@pytest.fixture(scope="session")
def package(candidate: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return build_package(candidate / "model", tmp_path_factory.mktemp("packages") / "good", **ABOUT)


@pytest.fixture
def copy(package: Package, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package.folder, tmp_path / "copy"))


def litert(model: Path, pictures: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(str(model), num_threads=1)
    (asked,), (told,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(asked["index"], pictures.shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(asked["index"], pictures)
    interpreter.invoke()
    return interpreter.get_tensor(told["index"])


def constant_model(folder: Path, probabilities: list[float]) -> Path:
    """A SavedModel of the right signature that always gives the same answer."""
    import tensorflow as tf

    module = tf.Module()
    module.answer = tf.function(
        lambda image: {"probabilities": tf.tile([probabilities], [tf.shape(image)[0], 1])},
        input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8, name="image")],
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
    return folder


def test_a_package_is_read_back_as_it_was_built(package: Package):
    assert read_package(package.folder, package.digest) == package
    assert (package.labels, package.size) == (CLASSES, SIZE)
    assert package.preprocessing == images.PREPROCESSING


def test_packaging_again_gives_the_same_digest(package: Package, candidate: Path, tmp_path: Path):
    assert build_package(candidate / "model", tmp_path / "again", **ABOUT).digest == package.digest


def test_a_package_can_be_packaged_again_without_what_was_added_to_it(
    package: Package, copy: Path, tmp_path: Path
):
    (copy / "assets.extra" / "note.txt").write_text("not of the model")

    assert build_package(copy, tmp_path / "again", **ABOUT).digest == package.digest


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_litert_answers_as_the_saved_model(package: Package, dataset: Dataset, batch: int):
    pictures = np.ascontiguousarray(dataset.arrays("test")[0][:batch])

    told = litert(package.folder / LITERT_MODEL, pictures)

    assert told.shape == (batch, len(CLASSES))
    assert told == pytest.approx(SavedModel(package.folder)(pictures), abs=1e-5)


def test_golden_pictures_come_in_every_format_and_one_lies_on_its_side(package: Package):
    golden = package.golden()

    assert {one.format for one in golden} == set(images.FORMATS)
    headers = [images.read_header(one.picture) for one in golden]
    assert [header.format for header in headers] == [one.format for one in golden]
    lying = [header for header in headers if header.height > header.width]
    assert {header.format for header in lying} == {"JPEG"}
    upright = {images.decode(one.picture).shape for one in golden}
    assert len(upright) == 1


def test_golden_answers_are_the_saved_models_and_decided(package: Package):
    model = SavedModel(package.folder)
    for golden in package.golden():
        told = model(images.load(golden.picture, SIZE)[None])[0]
        assert told == pytest.approx(golden.probabilities, abs=1e-4)
        second, best = sorted(golden.probabilities)[-2:]
        assert best - second > 0.01


def test_every_class_is_told_that_a_decided_picture_was_found_for(package: Package):
    assert len({int(np.argmax(one.probabilities)) for one in package.golden()}) > 1


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def test_every_file_of_a_package_is_missed_and_every_change_of_it_is_seen(
    package: Package, copy: Path
):
    for name in (*package.files, DESCRIPTION):
        original = (copy / name).read_bytes()
        for harm in (alter, empty, Path.unlink):
            harm(copy / name)
            with pytest.raises(PackageError):
                read_package(copy, package.digest)
            (copy / name).write_bytes(original)
        (copy / name).with_suffix(".extra").touch()
        with pytest.raises(PackageError, match="lists no"):
            read_package(copy, package.digest)
        (copy / name).with_suffix(".extra").unlink()

    assert read_package(copy, package.digest).digest == package.digest


@pytest.mark.parametrize(
    ("about", "complaint"),
    [
        ({"labels": ("foggy", "sunny")}, "tells 3 classes"),
        ({"size": 64}, f"takes {SIZE} pixels"),
        ({"model": "Weather!"}, "model"),
        ({"labels": ("foggy", "foggy", "sunny")}, "once"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(candidate: Path, tmp_path: Path, about, complaint):
    with pytest.raises(PackageError, match=complaint):
        build_package(candidate / "model", tmp_path / "out", **ABOUT | about)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("probabilities", "complaint"),
    [([1 / 3] * 3, "cannot decide"), ([float("nan")] * 3, "NaN")],
)
def test_a_model_that_proves_nothing_is_refused(tmp_path: Path, probabilities, complaint):
    model = constant_model(tmp_path / "model", probabilities)

    with pytest.raises(PackageError, match=complaint):
        build_package(model, tmp_path / "out", **ABOUT)

    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(PackageError, match="no SavedModel"):
        build_package(tmp_path / "nothing", tmp_path / "out", **ABOUT)


def test_a_relabelled_package_answers_the_same_and_means_something_else(
    package: Package, tmp_path: Path
):
    labels = (*CLASSES[1:], CLASSES[0])

    bad = relabel_package(package, labels, tmp_path / "bad")

    assert read_package(bad.folder, bad.digest) == bad
    assert bad.digest != package.digest
    assert bad.labels == labels
    assert bad.golden() == package.golden()


@pytest.mark.parametrize("labels", [CLASSES[:2], (*CLASSES, "snowy"), (CLASSES[0],) * 3])
def test_only_other_names_for_the_same_classes_are_taken(package: Package, tmp_path: Path, labels):
    with pytest.raises(PackageError):
        relabel_package(package, labels, tmp_path / "bad")

    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def fastest() -> Callable[[Path], float]:
    picture = np.zeros((1, SIZE, SIZE, 3), np.uint8)

    def measure(model: Path) -> float:
        interpreter = Interpreter(str(model), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
        seconds = []
        for _ in range(10):
            started = time.perf_counter()
            interpreter.invoke()
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    return measure


def test_a_slowed_model_gives_the_same_answers_late(
    package: Package, dataset: Dataset, tmp_path: Path, fastest: Callable[[Path], float]
):
    slow = slow_down(package, tmp_path / "slow", extra_seconds=0.06)

    pictures = np.ascontiguousarray(dataset.arrays("test")[0][:3])
    quick, late = (litert(each.folder / LITERT_MODEL, pictures) for each in (package, slow))
    # LiteRT may add in another order in a graph that has more in it.
    assert np.abs(quick - late).max() < 1e-6
    assert read_package(slow.folder, slow.digest).golden() == package.golden()
    extra = fastest(slow.folder / LITERT_MODEL) - fastest(package.folder / LITERT_MODEL)
    # Others may have the core meanwhile, so only the order is certain.
    assert 0.02 < extra < 0.5
