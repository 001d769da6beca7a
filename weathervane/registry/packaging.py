"""A SavedModel in, a package out: converted for LiteRT, with golden pictures, sealed. TensorFlow.

Packaging the same SavedModel again gives the same digest: nothing in a package depends on the time
or the machine.
"""

import io
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weathervane.data import images
from weathervane.data.scenes import WEATHERS, render
from weathervane.errors import PackageError
from weathervane.folders import new_folder
from weathervane.lean import import_tensorflow
from weathervane.litert_model import LiteRtModel
from weathervane.registry.package import (
    GOLDEN,
    GOLDEN_LIST,
    GOLDEN_TOLERANCE,
    LITERT_MODEL,
    Description,
    Package,
    check_description,
    seal,
)
from weathervane.saved_model import SIGNATURE, SavedModel

# Scenes to choose the golden ones from, and how many of each way to encode are chosen.
_CANDIDATES = 48
_OF_EACH_ENCODING = 2
# Margin between the two best classes of a golden picture: below the least, the label would depend
# on the engine; near 1, the probabilities hardly would, and would prove little.
_BEST_MARGIN = 0.7
_LEAST_MARGIN = 20 * GOLDEN_TOLERANCE
# Decimals that are kept of golden probabilities: far below the tolerance, above what threads
# make of sums.
_DECIMALS = 5
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class _Encoding:
    name: str
    format: str  # one of `images.FORMATS`
    rotated: bool = False  # stored lying, with an EXIF orientation that sets it upright

    def encode(self, picture: images.Picture) -> bytes:
        exif = Image.Exif()
        if self.rotated:
            exif[_EXIF_ORIENTATION] = 6  # to be turned by 90 degrees clockwise
            picture = np.ascontiguousarray(np.rot90(picture))
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, self.format, quality=90, exif=exif)
        return buffer.getvalue()


_ENCODINGS = (
    _Encoding("jpeg.jpg", "JPEG"),
    _Encoding("png.png", "PNG"),
    _Encoding("webp.webp", "WEBP"),
    _Encoding("rotated.jpg", "JPEG", rotated=True),
)


@dataclass(frozen=True, eq=False)
class _Candidate:
    encoding: _Encoding
    picture: bytes
    probabilities: NDArray[np.float32]

    @property
    def label(self) -> int:
        return int(self.probabilities.argmax())

    @property
    def margin(self) -> float:
        second, best = np.sort(self.probabilities)[-2:]
        return float(best - second)


def build_package(
    saved_model: Path,
    out: Path,
    *,
    model: str,
    labels: Sequence[str],
    size: int,
    data_digest: str,
    code_version: str,
    metrics: Mapping[str, float] | None = None,
    ood_threshold: float | None = None,
    litert: bool = True,
) -> Package:
    """Package a SavedModel (uint8 [n, size, size, 3] to probabilities [n, classes]) as ``out``.

    Args:
        saved_model: a folder; only what TensorFlow wrote is taken, nothing of an older package.
        out: the new folder, which appears when it is whole.
        model: the name of the model; lower-case letters, digits and dashes.
        labels: the classes in the order of the outputs.
        size: pixels a side of the input.
        data_digest: of the manifest that the model was trained on.
        code_version: of the code that trained it.
        metrics: how it did on the test pictures, by name.
        ood_threshold: the confidence below which a picture is unlike those of training.
        litert: whether to bring the model for LiteRT too. Without it the package is served by the
            larger predictor image that has TensorFlow.

    Raises:
        PackageError: when the SavedModel has operations that are not known to be harmless, cannot
            be loaded or converted, does not fit the labels and the size, cannot tell scenes apart,
            or LiteRT answers otherwise than it.
        UsageError: when ``out`` is taken.
    """
    description = Description(
        model=model,
        labels=tuple(labels),
        size=size,
        preprocessing=images.PREPROCESSING,
        data_digest=data_digest,
        code_version=code_version,
        metrics=dict(metrics or {}),
        ood_threshold=ood_threshold,
    )
    check_description(description)
    reference = SavedModel(saved_model)
    if (reference.size, reference.classes) != (size, len(description.labels)):
        raise PackageError(
            f"the SavedModel takes {reference.size} pixels a side and tells {reference.classes} "
            f"classes; expected are {size} pixels and {', '.join(labels)}"
        )
    with new_folder(out) as folder:
        _copy(saved_model, folder)
        # Before the conversion, which takes longer than a model that is refused is worth.
        _write_golden(folder, _choose(_candidates(reference, size)))
        if litert:
            _write(folder / LITERT_MODEL, convert(folder))
            engine = LiteRtModel(folder / LITERT_MODEL)
        package = seal(folder, description)
        if litert:
            package.check_golden(lambda picture: engine(images.load(picture, size)[None])[0])
    return replace(package, folder=out)


def convert(saved_model: Path) -> bytes:
    """Convert a SavedModel to LiteRT, in float32.

    Raises:
        PackageError: when an operation has no counterpart.
    """
    import_tensorflow()
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=[SIGNATURE]
    )
    try:
        converted: bytes = converter.convert()
    except Exception as error:
        # The converter has no errors of its own in its public interface.
        raise PackageError(f"{saved_model} cannot be converted to LiteRT: {error}") from error
    return converted


def _copy(saved_model: Path, folder: Path) -> None:
    for path in sorted(saved_model.rglob("*")):
        relative = path.relative_to(saved_model)
        if path.is_file() and relative.parts[0] != "assets.extra":
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / relative)


def _candidates(reference: SavedModel, size: int) -> list[_Candidate]:
    """Scenes of every weather, encoded in turn, with what the SavedModel says of each."""
    found = []
    for encoding, picture in _scenes():
        # One by one, as a sum over a batch may be taken in another order.
        (probabilities,) = reference(images.load(picture, size)[None])
        if not np.isfinite(probabilities).all():
            raise PackageError("the SavedModel answers NaN or infinity: its weights are broken")
        found.append(_Candidate(encoding, picture, probabilities))
    return found


@cache  # the same for every model, and they take as long as the rest
def _scenes() -> tuple[tuple[_Encoding, bytes], ...]:
    return tuple(
        # Each encoding meets each weather: 4 and 5 have no common factor.
        (encoding, encoding.encode(render(WEATHERS[number % len(WEATHERS)], number)))
        for number, encoding in zip(range(_CANDIDATES), cycle(_ENCODINGS))
    )


def _choose(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """A few for each encoding: of as many labels as there are, decided but not saturated."""
    chosen: list[_Candidate] = []
    for encoding in _ENCODINGS * _OF_EACH_ENCODING:
        told = Counter(each.label for each in chosen)
        eligible = [
            each
            for each in candidates
            if each.encoding is encoding and each.margin > _LEAST_MARGIN and each not in chosen
        ]
        if not eligible:
            raise PackageError(
                "the model cannot decide between its two best classes on rendered scenes: it has "
                "learned nothing that golden pictures could show"
            )
        chosen.append(
            min(eligible, key=lambda each: (told[each.label], abs(each.margin - _BEST_MARGIN)))
        )
    return chosen


def _write_golden(folder: Path, golden: Sequence[_Candidate]) -> None:
    entries = []
    for number, each in enumerate(golden, start=1):
        name = f"{number}-{each.encoding.name}"
        _write(folder / GOLDEN / name, each.picture)
        probabilities = [round(float(p), _DECIMALS) for p in each.probabilities]
        entries.append(
            {"file": name, "format": each.encoding.format, "probabilities": probabilities}
        )
    _write(folder / GOLDEN_LIST, json.dumps(entries, indent=1).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
