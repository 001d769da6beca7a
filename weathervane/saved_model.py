"""A SavedModel as a function: pictures in, probabilities out. The reference for every engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.errors import PackageError

SIGNATURE = "serving_default"

Classify = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def load(folder: Path) -> Classify:
    """Load the signature `SIGNATURE`: uint8 [n, size, size, 3] to float32 [n, classes].

    Raises:
        PackageError: when there is no SavedModel, or its signature is another one.
    """
    import tensorflow as tf

    try:
        model = tf.saved_model.load(str(folder))
    except OSError as error:
        raise PackageError(f"there is no SavedModel in {folder}") from error
    signature = model.signatures.get(SIGNATURE)
    if signature is None:
        raise PackageError(f"the SavedModel in {folder} has no signature {SIGNATURE}")
    inputs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    if not _is_ours(inputs, outputs, tf):
        raise PackageError(
            f"the SavedModel in {folder} must map one uint8 [n, size, size, 3] to one float32 "
            f"[n, classes]; it maps {list(inputs.values())} to {list(outputs.values())}"
        )
    ((name_in, _),), ((name_out, _),) = inputs.items(), outputs.items()

    def classify(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        # The model must live as long as its function does, or its variables are gone.
        _ = model
        answer: NDArray[np.float32] = signature(**{name_in: tf.constant(pictures)})[
            name_out
        ].numpy()
        return answer

    return classify


def _is_ours(inputs: dict[str, Any], outputs: dict[str, Any], tf: Any) -> bool:  # noqa: ANN401
    return (
        len(inputs) == len(outputs) == 1
        and all(
            spec.dtype == tf.uint8 and spec.shape.rank == 4 and spec.shape[3] == 3
            for spec in inputs.values()
        )
        and all(spec.dtype == tf.float32 and spec.shape.rank == 2 for spec in outputs.values())
    )
