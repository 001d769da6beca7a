"""A package as a model of the KServe SDK: encoded pictures or pixels in, a classification out."""

from collections.abc import Iterator
from reprlib import repr as shortened
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from kserve.model import Model
from numpy.typing import NDArray

from predictor.engines import Engine, start
from predictor.protocol import INPUT, Classification, Pictures, ProtocolError, malformed
from weathervane.data import images
from weathervane.errors import ImageError, PackageError
from weathervane.registry.package import Package


class PackagedModel(Model):  # type: ignore[misc]
    """One package, loaded. It is ready when it has reproduced the golden answers.

    The SDK keeps its name and readiness; requests come through `classify`, past the SDK's codecs.
    """

    def __init__(self, name: str, package: Package, *, revision: str, threads: int) -> None:
        super().__init__(name)
        self.package = package
        self.revision = revision
        # The engine's name, as metadata tell it.
        self.platform = ""
        self._threads = threads
        self._engine: Engine | None = None

    def load(self) -> bool:
        """Start the engine, and compare it with the SavedModel's answers.

        Raises:
            PackageError: when this predictor must not serve the package.
        """
        package = self.package
        if package.preprocessing != images.PREPROCESSING:
            raise PackageError(
                f"{package.folder} wants preprocessing {package.preprocessing!r}, this predictor "
                f"has {images.PREPROCESSING!r}: use the predictor of that version"
            )
        # Several pictures at once use the cores better than several cores for one picture, and
        # OpenCV would take every core of the machine.
        cv2.setNumThreads(1)
        engine = start(package, self._threads)
        try:
            package.check_golden(
                lambda picture: engine.probabilities(images.load(picture, package.size))
            )
        except ImageError as error:
            raise PackageError(f"a golden picture of {package.folder}: {error}") from error
        self._engine, self.platform = engine, engine.name
        self.ready = True
        return True

    def unload(self) -> None:
        """Be not ready, and let go of the engine; what is being classified is finished."""
        self.ready = False
        self._engine = None

    def classify(self, pictures: Pictures) -> Classification:
        """Decode, resize and classify; blocks, and may be called from several threads.

        Raises:
            ProtocolError: 400, for a picture that cannot be read; 503 when it was unloaded.
        """
        engine = self._engine
        if engine is None:
            raise ProtocolError(503, f"{self.name} was unloaded; an admin may load it again")
        rows, infer_seconds = [], 0.0
        for pixels in self._pixels(pictures):
            begun = perf_counter()
            rows.append(engine.probabilities(pixels))
            infer_seconds += perf_counter() - begun
        probabilities = np.stack(rows)
        if self.package.temperature != 1:
            probabilities = _tempered(probabilities, self.package.temperature)
        best = probabilities.argmax(axis=1)
        return Classification(
            probabilities=probabilities,
            labels=tuple(self.package.labels[index] for index in best),
            confidences=probabilities[np.arange(len(best)), best],
            infer_seconds=infer_seconds,
        )

    def check_name(self, name: str, version: str) -> None:
        """Whether a request is for this model; its version is the package's digest.

        Raises:
            ProtocolError: 404.
        """
        if name != self.name:
            raise ProtocolError(404, f"there is no model {shortened(name)}; there is {self.name}")
        if version != self.package.digest:
            raise ProtocolError(
                404, f"{name} has no version {shortened(version)}; it has {self.package.digest}"
            )

    def get_input_types(self) -> list[dict[str, Any]]:
        """The input as most clients send it: encoded pictures. Metadata names a tensor once."""
        return [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The outputs in the order in which they are sent."""
        return [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(self.package.labels)]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "confidence", "datatype": "FP32", "shape": [-1]},
        ]

    def describe(self) -> dict[str, Any]:
        """What is served, for people."""
        package = self.package
        return {
            "model": self.name,
            "revision": self.revision,
            "digest": package.digest,
            "labels": package.labels,
            "input_size": package.size,
            "preprocessing": package.preprocessing,
            "temperature": package.temperature,
            "data_digest": package.data_digest,
            "code_version": package.code_version,
            "metrics": package.metrics,
            "engine": self.platform,
        }

    def _pixels(self, pictures: Pictures) -> Iterator[images.Picture]:
        size = self.package.size
        for number, picture in enumerate(pictures, start=1):
            if isinstance(picture, np.ndarray):
                yield images.resize(picture, size)
                continue
            try:
                yield images.load(picture, size)
            except ImageError as error:
                which = f"picture {number}: " if len(pictures) > 1 else ""
                raise malformed(f"{which}{error}") from error


def _tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Divide the logits by the temperature: softmax(log p / T), Guo et al. 2017.

    https://arxiv.org/abs/1706.04599
    """
    powers = probabilities ** np.float32(1 / temperature)
    tempered: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return tempered
