"""A SavedModel as a function: pictures in, probabilities out. The reference for every engine."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.errors import PackageError
from weathervane.lean import import_tensorflow
from weathervane.registry.saved_model_graph import check_saved_model

SIGNATURE = "serving_default"


class SavedModel:
    """The signature `SIGNATURE` of a SavedModel: uint8 [n, size, size, 3] to float32 [n, classes].

    Raises:
        PackageError: when there is no SavedModel, it has operations that are not known to be
            harmless, or its signature is another one.
    """

    def __init__(self, folder: Path) -> None:
        check_saved_model(folder)
        import_tensorflow()
        import tensorflow as tf

        try:
            # Kept, for the model's variables end with it.
            self._model = tf.saved_model.load(str(folder))
        # The loader raises whatever it stumbles on.
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise PackageError(f"TensorFlow cannot load {folder}: {reason}") from error
        if SIGNATURE not in self._model.signatures:
            raise PackageError(f"the SavedModel in {folder} has no signature {SIGNATURE}")
        self.signature = self._model.signatures[SIGNATURE]
        inputs = self.signature.structured_input_signature[1]
        outputs = self.signature.structured_outputs
        if not _is_ours(inputs, outputs):
            raise PackageError(
                f"the SavedModel in {folder} must map one uint8 [n, size, size, 3] to one float32 "
                f"[n, classes]; it maps {list(inputs.values())} to {list(outputs.values())}"
            )
        ((self._input, picture),) = inputs.items()
        ((self._output, probabilities),) = outputs.items()
        self.size: int = picture.shape[1]
        self.classes: int = probabilities.shape[1]

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities [n, classes] of pictures [n, size, size, 3], RGB."""
        import tensorflow as tf

        answer = self.signature(**{self._input: tf.constant(pictures)})
        probabilities: NDArray[np.float32] = answer[self._output].numpy()
        return probabilities


def _is_ours(inputs: dict[str, Any], outputs: dict[str, Any]) -> bool:
    if len(inputs) != 1 or len(outputs) != 1:
        return False
    (picture,), (probabilities,) = inputs.values(), outputs.values()
    if picture.shape.rank != 4 or probabilities.shape.rank != 2:
        return False
    batch, height, width, channels = picture.shape
    return (
        (picture.dtype.name, probabilities.dtype.name) == ("uint8", "float32")
        and batch is None
        and height is not None
        and (height, channels) == (width, 3)
        and probabilities.shape[1] is not None
    )
