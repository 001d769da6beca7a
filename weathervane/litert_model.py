"""A LiteRT model as a function: pictures in, probabilities out, as the predictor's engine answers.

The predictor has an engine of its own, with queues and limits; both run the same file.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.registry.litert_graph import check_litert


class LiteRtModel:
    """The model in a file: uint8 [n, size, size, 3] to float32 [n, classes], one by one.

    Args:
        path: a ``model.tflite`` of ours.
        threads: how many pictures are answered at the same time, each on one core.

    Raises:
        PackageError: when it has operations that are not known to be harmless.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        check_litert(path)
        from ai_edge_litert.interpreter import Interpreter

        self._interpreters: list[Any] = [
            Interpreter(str(path), num_threads=1) for _ in range(threads)
        ]
        for interpreter in self._interpreters:
            interpreter.allocate_tensors()
        self._input = self._interpreters[0].get_input_details()[0]["index"]
        self._output = self._interpreters[0].get_output_details()[0]["index"]

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities [n, classes] of pictures [n, size, size, 3], RGB."""
        parts = np.array_split(np.arange(len(pictures)), len(self._interpreters))
        with ThreadPoolExecutor(len(parts)) as pool:
            answers = pool.map(
                lambda interpreter, part: [self._one(interpreter, pictures[each]) for each in part],
                self._interpreters,
                parts,
            )
            return np.array([one for part in answers for one in part], np.float32)

    def alone(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same, without other threads: what one request waits for."""
        return np.stack([self._one(self._interpreters[0], picture) for picture in pictures])

    def _one(self, interpreter: Any, picture: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ANN401
        interpreter.set_tensor(self._input, picture[np.newaxis])
        interpreter.invoke()
        answer: NDArray[np.float32] = interpreter.get_tensor(self._output)[0]
        return answer
