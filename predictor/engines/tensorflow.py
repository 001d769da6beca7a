"""TensorFlow, for packages without a LiteRT model: slower to start, larger, and slower."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weathervane.errors import PackageError
from weathervane.saved_model import SavedModel


class TensorFlowEngine:
    """The SavedModel itself, on ``threads`` cores."""

    name = "tensorflow"

    def __init__(self, folder: Path, *, size: int, classes: int, threads: int) -> None:
        """Load the SavedModel, and run it once.

        Raises:
            PackageError: when TensorFlow cannot load it, or its input and output are not ours.
        """
        _use(threads)
        self._model = SavedModel(folder)
        if (self._model.size, self._model.classes) != (size, classes):
            raise PackageError(
                f"the SavedModel in {folder} takes {self._model.size} pixels a side and tells "
                f"{self._model.classes} classes, its package says {size} and {classes}"
            )
        # The first run sets it up; let no request pay for it.
        self.probabilities(np.zeros((size, size, 3), np.uint8))

    def probabilities(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As the port says."""
        return self._model(picture[np.newaxis])[0]


def _use(threads: int) -> None:
    import tensorflow as tf

    # It would take every core of the machine, whatever this process may use.
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    # A GPU would answer otherwise than the golden pictures by more than CPUs differ.
    tf.config.set_visible_devices([], "GPU")
