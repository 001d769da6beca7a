"""The cache of features, with a backbone that counts what it is asked; no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from weathervane.training import features
from weathervane.training.cache import Cache

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
DIGESTS = [f"{number:064x}" for number in range(6)]


class Backbone:
    """Stands in for a Keras model where only its shape is asked for."""

    output_shape = (None, 3)


@pytest.fixture(autouse=True)
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of the pictures that were computed, in turn."""
    done: list[str] = []

    def extract(backbone: Backbone, pictures: np.ndarray, wanted: Mapping[str, int]):
        for digest, place in wanted.items():
            done.append(digest)
            mean = pictures[place].mean(axis=(0, 1), dtype=np.float32)
            yield digest, np.stack([mean, -mean])

    monkeypatch.setattr(features, "_extract", extract)
    monkeypatch.setattr(features, "backbone_digest", lambda backbone: "b" * 32)
    return done


def ask(folder: Path | None, places=range(6), progress=lambda line: None) -> np.ndarray:
    return features.compute(
        Backbone(),
        list(PICTURES[list(places)]),
        [DIGESTS[place] for place in places],
        cache=Cache(folder),
        progress=progress,
    )


def test_a_picture_is_computed_once_whatever_else_is_asked_for(tmp_path: Path, computed):
    first = ask(tmp_path, (0, 1, 2))
    both = ask(tmp_path, (3, 2, 1))

    assert computed == [DIGESTS[place] for place in (0, 1, 2, 3)]
    assert first.shape == (3, 2, 3)
    assert np.array_equal(both[1:], first[[2, 1]])


def test_the_same_picture_twice_is_computed_once(tmp_path: Path, computed):
    told = ask(tmp_path, (4, 4))

    assert computed == [DIGESTS[4]]
    assert np.array_equal(told[0], told[1])


def test_whoever_is_interrupted_keeps_what_was_computed(tmp_path: Path, computed, monkeypatch):
    monkeypatch.setattr(features, "_SAID_EVERY", 4)

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, progress=interrupt)
    again = ask(tmp_path)

    assert computed == DIGESTS
    assert np.array_equal(again, ask(None))


@pytest.mark.parametrize("harm", [b"", b"\x93NUMPY\x01\x00", b"nothing of ours"])
def test_a_file_that_is_not_whole_is_computed_again(tmp_path: Path, computed, harm: bytes):
    sound = ask(tmp_path)
    (tmp_path / "features" / ("b" * 32) / f"{DIGESTS[2]}.npy").write_bytes(harm)

    assert np.array_equal(ask(tmp_path), sound)
    assert computed[6:] == [DIGESTS[2]]


def test_progress_tells_what_is_left(tmp_path: Path):
    lines: list[str] = []

    ask(tmp_path, progress=lines.append)

    assert lines[-1] == "features of 6 of 6 pictures, 0 s left"
