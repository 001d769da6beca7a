"""What every peer computes: pictures to the three outputs, on an engine named on its command line.

The decoder and the resize are ours for all of them, and so is the file of the model: what differs
is the server around it.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.data import images
from weathervane.registry.package import Package, read_package

Engine = Callable[[images.Picture], NDArray[np.float32]]  # [size, size, 3] to [classes]


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output tensor of the protocol."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class Classifier:
    """A package on one engine; may be called from several threads."""

    def __init__(self, folder: Path, engine: str, threads: int) -> None:
        self.package = read_package(folder)
        self.engine = _ENGINES[engine](self.package, threads)

    def probabilities(self, picture: bytes | str | images.Picture) -> NDArray[np.float32]:
        """Of a JPEG file, as bytes or in base64, or of pixels."""
        if isinstance(picture, str):
            picture = base64.b64decode(picture)
        size = self.package.size
        if isinstance(picture, bytes):
            return self.engine(images.load(picture, size))
        return self.engine(images.resize(picture, size))

    def outputs(self, pictures: list[bytes | str] | NDArray[np.uint8]) -> list[Output]:
        """The outputs that our predictor gives."""
        probabilities = np.stack([self.probabilities(picture) for picture in pictures])
        best = probabilities.argmax(axis=1)
        n, classes = probabilities.shape
        return [
            Output(
                name="probabilities",
                datatype="FP32",
                shape=[n, classes],
                data=probabilities.ravel().tolist(),
            ),
            Output(
                name="label",
                datatype="BYTES",
                shape=[n],
                data=[self.package.labels[index] for index in best],
            ),
            Output(
                name="confidence",
                datatype="FP32",
                shape=[n],
                data=probabilities.max(axis=1).tolist(),
            ),
        ]


def _signature(package: Package, threads: int) -> Engine:
    from weathervane.saved_model import SavedModel

    model = SavedModel(package.folder)
    return lambda picture: model(picture[None])[0]


def _litert(package: Package, threads: int) -> Engine:
    from ai_edge_litert.interpreter import Interpreter

    # One for each thread that may ask at once.
    idle: SimpleQueue[Interpreter] = SimpleQueue()
    for _ in range(threads):
        interpreter = Interpreter(str(package.litert_model), num_threads=1)
        interpreter.allocate_tensors()
        idle.put(interpreter)
    (image,), (probabilities,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(picture: images.Picture) -> NDArray[np.float32]:
        interpreter = idle.get()
        try:
            interpreter.set_tensor(image["index"], picture[None])
            interpreter.invoke()
            return interpreter.get_tensor(probabilities["index"])[0]
        finally:
            idle.put(interpreter)

    return run


def _keras(package: Package, threads: int) -> Engine:
    import keras

    image = keras.Input((package.size, package.size, 3), dtype="uint8")
    layer = keras.layers.TFSMLayer(str(package.folder), call_endpoint="serving_default")
    model = keras.Model(image, layer(image))
    return lambda picture: model.predict(picture[None], verbose=0)["probabilities"][0]


_ENGINES = {"signature": _signature, "litert": _litert, "keras": _keras}
