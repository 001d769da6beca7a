"""``python -m tests.bench.parity``: a predictor's answers against the SavedModel's in TensorFlow.

A MobileNetV2 at 224 pixels (``WEATHER_WEIGHTS``, or random weights) is packaged and served, and
asked about every photograph below ``WEATHER_PHOTOS``, odd files included, or about rendered scenes
when there are none. Both see what the one preprocessing makes of a file.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.asking import Asker, RefusedError
from tests.bench.figures import Figure, at_least, at_most, holds, noted, publish
from tests.hostile_pictures import large_jpeg, saved
from tests.predictor.running import running
from weathervane.data import images
from weathervane.data.scenes import WEATHERS, render_jpeg
from weathervane.errors import ImageError
from weathervane.registry.package import Package
from weathervane.registry.packaging import build_package
from weathervane.saved_model import SavedModel

_SIZE = 224
_MAX_APART = 1e-4
_SCENES = 100
_IN_EVERY_WAY = 20
_ORIENTATION = 0x0112


@dataclass
class Tally:
    """Answers held against the SavedModel's."""

    same_label: int = 0
    asked: int = 0
    refused_alike: int = 0
    apart: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def compare(self, name: str, wanted: NDArray[Any], told: NDArray[Any]) -> None:
        self.asked += 1
        self.apart = max(self.apart, float(np.abs(wanted - told).max()))
        same = int(wanted.argmax()) == int(told.argmax())
        self.same_label += same
        if not same:
            self.wrong.append(name)

    def refuse(self, name: str, alike: bool) -> None:
        self.asked += 1
        self.same_label += alike
        self.refused_alike += alike
        if not alike:
            self.wrong.append(name)

    def figures(self, what: str) -> list[Figure]:
        for name in self.wrong[:10]:
            print(f"{what}: {name} is answered otherwise")
        shown = f"{self.same_label} of {self.asked}"
        return [
            holds(f"{what}: labels as in TensorFlow", shown, "all", not self.wrong),
            at_most(
                f"{what}: probabilities apart, at most", float(f"{self.apart:.2g}"), _MAX_APART
            ),
        ]


class Trial:
    """One package, served and in TensorFlow."""

    def __init__(self, package: Package, asker: Asker) -> None:
        self._model = SavedModel(package.folder)
        self._asker = asker

    def wanted(self, picture: bytes) -> NDArray[Any]:
        """What TensorFlow says."""
        answer: NDArray[Any] = self._model(images.load(picture, _SIZE)[np.newaxis])[0]
        return answer

    def photographs(self, files: Iterable[tuple[str, bytes]]) -> Tally:
        """Every file over the binary extension: the same answer, or the same refusal."""
        tally = Tally()
        for name, picture in files:
            try:
                wanted = self.wanted(picture)
            except ImageError as error:
                tally.refuse(name, self._refuses(picture, str(error)))
                continue
            tally.compare(name, wanted, self._asker.binary(picture))
        return tally

    def in_every_way(self, files: Iterable[tuple[str, bytes]]) -> Tally:
        """The same files in JSON, binary, as a form, over gRPC and V1."""
        tally = Tally()
        for name, picture in files:
            wanted = self.wanted(picture)
            for way, ask in self._asker.ways().items():
                tally.compare(f"{name} ({way})", wanted, ask(picture))
        return tally

    def as_pixels(self, files: Iterable[tuple[str, bytes]]) -> Tally:
        """What the decoder makes of the files, sent as tensors of their own sizes."""
        tally = Tally()
        for name, picture in files:
            pixels = self._asker.pixels(images.decode(picture))
            tally.compare(name, self.wanted(picture), pixels)
        return tally

    def _refuses(self, picture: bytes, reason: str) -> bool:
        try:
            self._asker.binary(picture)
        except RefusedError as refused:
            return refused.status == 400 and str(refused) == reason
        return False


def turned(picture: bytes) -> Iterator[tuple[str, bytes]]:
    """One picture with each EXIF orientation, as JPEG, PNG and WebP."""
    pixels = Image.fromarray(images.decode(picture))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        for kind in images.FORMATS:
            yield f"{kind}, orientation {orientation}", saved(pixels, kind, exif=exif)


def files_below(folder: Path) -> list[tuple[str, bytes]]:
    """Name and content of every file."""
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def scenes() -> list[tuple[str, bytes]]:
    """Rendered ones, where there are no photographs."""
    return [
        (f"scene {number}", render_jpeg(WEATHERS[number % len(WEATHERS)], number))
        for number in range(_SCENES)
    ]


def network_package(folder: Path, weights: str | None) -> Package:
    """A MobileNetV2 with a head that nobody trained: its answers mean nothing, and differ.

    The head is scaled to what the features do on scenes, as those of random weights hardly move.
    """
    import keras

    from weathervane.training.architectures import ARCHITECTURES
    from weathervane.training.export import export

    keras.utils.set_random_seed(1)
    features = ARCHITECTURES["mobilenetv2"].features(_SIZE, weights)
    seen = features.predict(
        np.stack([images.load(picture, _SIZE) for _, picture in scenes()]), verbose=0
    )
    mean, spread = seen.mean(axis=0), seen.std(axis=0)
    kernel = np.random.default_rng(1).normal(0, 1, (len(mean), len(WEATHERS)))
    # Logits of a standard deviation near 3, made of the features that move.
    kernel *= 3 / np.sqrt(len(mean)) / np.maximum(spread, np.median(spread) + 1e-6)[:, None]
    head = keras.layers.Dense(len(WEATHERS), activation="softmax")
    told = head(features.output)
    head.set_weights([kernel, -mean @ kernel])
    export(keras.Model(features.input, told), _SIZE, folder / "model")
    return build_package(
        folder / "model",
        folder / "package",
        model="weather",
        labels=WEATHERS,
        size=_SIZE,
        data_digest="d" * 64,
        code_version="0",
    )


@contextmanager
def trial(folder: Path) -> Iterator[Trial]:
    """Package, serve, and compare."""
    package = network_package(folder, os.environ.get("WEATHER_WEIGHTS") or None)
    options = ("--package", str(package.folder), "--digest", package.digest)
    with running(*options) as predictor, Asker(predictor) as asker:
        yield Trial(package, asker)


def run(folder: Path) -> list[Figure]:
    """All comparisons."""
    photographs = os.environ.get("WEATHER_PHOTOS", "")
    if photographs:
        files = files_below(Path(photographs, "photos"))
        odd = files_below(Path(photographs, "odd"))
    else:
        print("no photographs (WEATHER_PHOTOS names none): rendered scenes take their place")
        files, odd = scenes(), []
    with trial(folder) as against:
        all_of_them = against.photographs(files)
        some = files[:: max(1, len(files) // _IN_EVERY_WAY)]
        figures = [
            noted("weights", "given" if os.environ.get("WEATHER_WEIGHTS") else "random"),
            *all_of_them.figures("photographs" if photographs else "scenes"),
            *against.in_every_way(some).figures("some of them in every way"),
            *against.as_pixels(some).figures("some of them as pixels"),
            *against.photographs(turned(some[0][1])).figures("every EXIF orientation"),
            *against.in_every_way([("7 MB", large_jpeg())]).figures("a JPEG of 7 MB in every way"),
        ]
        if odd:
            figures += _odd_figures(against, odd)
    return figures


def _odd_figures(against: Trial, odd: Sequence[tuple[str, bytes]]) -> list[Figure]:
    tally = against.photographs(odd)
    refusable = 0
    for _, picture in odd:
        try:
            images.decode(picture)
        except ImageError:
            refusable += 1
    return [
        *tally.figures("odd files"),
        holds(
            "odd files: refused with the decoder's reason",
            f"{tally.refused_alike} of {refusable}",
            "all",
            tally.refused_alike == refusable,
        ),
        at_least("odd files: classified all the same", len(odd) - refusable, 1),
    ]


def main() -> int:
    """Run, print the table, write the figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder))
    return publish("make bench-parity", figures)


if __name__ == "__main__":
    sys.exit(main())
