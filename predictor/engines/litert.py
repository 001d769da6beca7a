"""LiteRT: the default engine; starts in milliseconds, and needs no TensorFlow."""

from pathlib import Path
from queue import LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.errors import PackageError
from weathervane.registry.litert_graph import check_litert


class LiteRtEngine:
    """LiteRT with one interpreter a thread, each on one core.

    Several cores on one picture gain nothing at the sizes we serve; several pictures at once do.
    """

    name = "litert"

    def __init__(self, model: Path, *, size: int, classes: int, threads: int) -> None:
        """Load the model ``threads`` times; the weights are shared pages of the file.

        Raises:
            PackageError: when it has operations that are not known to be harmless, LiteRT cannot
                load it, or its input and output are not ours.
        """
        check_litert(model)
        # The one used last comes next: its weights are still in a core's cache.
        self._idle: LifoQueue[_Interpreter] = LifoQueue()
        for _ in range(threads):
            self._idle.put(_Interpreter(model, size=size, classes=classes))

    def probabilities(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As the port says."""
        interpreter = self._idle.get()
        try:
            return interpreter.run(picture)
        finally:
            self._idle.put(interpreter)


class _Interpreter:
    def __init__(self, model: Path, *, size: int, classes: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter: Any = Interpreter(str(model), num_threads=1)
            self._interpreter.allocate_tensors()
            (image,) = self._interpreter.get_input_details()
            (probabilities,) = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise PackageError(f"LiteRT cannot load {model}: {error}") from error
        for tensor, shape, dtype in (
            (image, (1, size, size, 3), np.uint8),
            (probabilities, (1, classes), np.float32),
        ):
            if tuple(tensor["shape"]) != shape or tensor["dtype"] is not dtype:
                raise PackageError(
                    f"{model} has the tensor {tensor['dtype'].__name__} "
                    f"{tensor['shape'].tolist()}, expected {dtype.__name__} {list(shape)}"
                )
        self._image, self._probabilities = image["index"], probabilities["index"]
        # The first run allocates; let no request pay for it.
        self.run(np.zeros((size, size, 3), np.uint8))

    def run(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self._image, picture[np.newaxis])
        self._interpreter.invoke()
        answer: NDArray[np.float32] = self._interpreter.get_tensor(self._probabilities)[0]
        return answer
