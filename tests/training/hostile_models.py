"""Models of the right signature that would do more than classify, as TensorFlow writes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tests.training.conftest import SIZE

_STATE = tf.Variable(0.0)


def save(folder: Path, answer: Callable[[Any], Any]) -> Path:
    """A SavedModel whose probabilities are what ``answer`` makes of pictures."""
    module = tf.Module()
    module.state = _STATE
    module.answer = tf.function(
        lambda image: {"probabilities": answer(image)},
        input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8, name="image")],
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
    return folder


def _probabilities(image: Any) -> Any:
    return tf.nn.softmax(tf.reduce_mean(tf.cast(image, tf.float32), (1, 2)))


def _after(effect: Callable[[], Any]) -> Callable[[Any], Any]:
    def answer(image: Any) -> Any:
        with tf.control_dependencies([effect()]):
            return tf.identity(_probabilities(image))

    return answer


def _length_of_file() -> Any:
    return tf.strings.length(tf.io.read_file("secret"))


def _whole_file() -> Any:
    queue = tf.raw_ops.FIFOQueueV2(component_types=[tf.string])
    return tf.raw_ops.ReaderReadV2(
        reader_handle=tf.raw_ops.WholeFileReaderV2(), queue_handle=queue
    ).value


def _python(image: Any) -> Any:
    pixels = tf.numpy_function(lambda x: x, [image], tf.uint8)
    return tf.ensure_shape(pixels, (None, SIZE, SIZE, 3))


def _branch(image: Any) -> Any:
    return tf.cond(
        tf.reduce_mean(tf.cast(image, tf.float32)) > 300,
        lambda: _probabilities(image) * tf.cast(_length_of_file(), tf.float32),
        lambda: _probabilities(image),
    )


def _loop(image: Any) -> Any:
    return tf.while_loop(
        lambda number, _: number < 3,
        lambda number, told: (number + tf.minimum(1, _length_of_file()), told),
        (0, _probabilities(image)),
    )[1]


def _eager_python(image: Any) -> Any:
    zero = tf.py_function(lambda: 0.0, [], tf.float32)
    return _probabilities(image) + tf.ensure_shape(zero, ())


# By the operation that must be named, and where it hides.
HOSTILE: dict[str, Callable[[Any], Any]] = {
    "ReadFile": _after(_length_of_file),
    "ReadFile in a branch": _branch,
    "ReadFile in a loop": _loop,
    "WholeFileReaderV2": _after(_whole_file),
    "MatchingFiles": _after(lambda: tf.io.matching_files("*")),
    "TextLineDataset": _after(
        lambda: tf.raw_ops.TextLineDataset(filenames=["secret"], compression_type="", buffer_size=0)
    ),
    "WriteFile": _after(lambda: tf.io.write_file("written", "content")),
    "PrintV2": _after(lambda: tf.print("x", output_stream="file://printed")),
    "SaveV2": _after(
        lambda: tf.raw_ops.SaveV2(
            prefix="saved", tensor_names=["x"], shape_and_slices=[""], tensors=[1.0]
        )
    ),
    "RestoreV2": _after(
        lambda: tf.raw_ops.RestoreV2(
            prefix="saved", tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]
        )[0]
    ),
    "AssignVariableOp": _after(lambda: _STATE.assign(1.0)),
    "RandomUniform": _after(lambda: tf.random.uniform(())),
    "PyFunc": lambda image: _probabilities(_python(image)),
    "PyFunc in a Lambda": lambda image: _probabilities(keras.layers.Lambda(_python)(image)),
    "EagerPyFunc": _eager_python,
}
