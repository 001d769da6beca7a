"""Bad models made on purpose, to prove that gates and rollouts stop them.

In: a good package. Out: one that answers with the wrong classes, or too slowly.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weathervane.folders import new_folder
from weathervane.lean import import_tensorflow
from weathervane.registry.package import EXTRAS, LITERT_MODEL, Description, Package, seal
from weathervane.registry.packaging import convert
from weathervane.saved_model import SIGNATURE

if TYPE_CHECKING:
    import tensorflow as tf

# A needless layer multiplies this many channels with as many, at each place of a square.
_SIDE, _CHANNELS = 32, 512
_MEASURED_LAYERS = 4


def relabel_package(package: Package, labels: Sequence[str], out: Path) -> Package:
    """The same model that calls its classes ``labels``: a good server of wrong answers.

    Raises:
        PackageError: when ``labels`` are not as many as there were, or not different.
        UsageError: when ``out`` is taken.
    """
    with new_folder(out) as folder:
        shutil.copytree(package.folder, folder, dirs_exist_ok=True)
        sealed = seal(folder, replace(_description(package), labels=tuple(labels)))
        sealed.golden()  # refuses another number of labels
    return replace(sealed, folder=out)


def slow_down(package: Package, out: Path, extra_seconds: float) -> Package:
    """The same model, but each picture costs ``extra_seconds`` more of one core in LiteRT.

    Its answers are those of ``package``, golden ones included. How many needless layers it takes
    is measured on this machine.

    Raises:
        UsageError: when ``out`` is taken.
    """
    import_tensorflow()
    import tensorflow as tf

    layers = max(1, round(extra_seconds / _seconds_per_layer()))
    module = tf.Module()
    module.original = tf.saved_model.load(str(package.folder))
    original = module.original.signatures[SIGNATURE]
    ((name, spec),) = original.structured_input_signature[1].items()

    def slow(image: "tf.Tensor") -> "dict[str, tf.Tensor]":
        (probabilities,) = original(**{name: image}).values()
        # Too small to change any probability, which no optimiser can know.
        return {"probabilities": probabilities + 1e-30 * _needless(image, layers)}

    image = tf.TensorSpec(spec.shape, spec.dtype, name="image")
    module.slow = tf.function(slow, input_signature=[image])
    with new_folder(out) as folder:
        # All that TensorFlow does not write: golden pictures and their answers stay as they are.
        shutil.copytree(package.folder / EXTRAS, folder / EXTRAS)
        tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.slow})
        (folder / LITERT_MODEL).write_bytes(convert(folder))
        sealed = seal(folder, _description(package))
    return replace(sealed, folder=out)


def _description(package: Package) -> Description:
    return Description(
        **{field.name: getattr(package, field.name) for field in fields(Description)}
    )


def _needless(image: "tf.Tensor", layers: int) -> "tf.Tensor":
    """A number for each picture, [n, 1], that took ``layers`` large convolutions."""
    import tensorflow as tf

    weights = np.random.default_rng(0).normal(0, (2 / _CHANNELS) ** 0.5, (_CHANNELS, _CHANNELS))
    kernel = tf.constant(weights[None, None], tf.float32)
    x = tf.image.resize(tf.cast(image, tf.float32) / 255, (_SIDE, _SIDE), "nearest")
    x = tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, _CHANNELS - 3]])
    for _ in range(layers):
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
    return tf.reduce_mean(x, (1, 2, 3))[:, None]


def _seconds_per_layer() -> float:
    """What one needless layer costs one core of this machine in LiteRT."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    needless = tf.function(
        lambda image: _needless(image, _MEASURED_LAYERS),
        input_signature=[tf.TensorSpec((1, _SIDE, _SIDE, 3), tf.uint8)],
    )
    concrete = needless.get_concrete_function()
    converted = tf.lite.TFLiteConverter.from_concrete_functions([concrete], needless).convert()
    interpreter = Interpreter(model_content=converted, num_threads=1)
    interpreter.allocate_tensors()
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        interpreter.invoke()
        seconds.append(time.perf_counter() - started)
    # The best of several: others may have had the core in between.
    return min(seconds) / _MEASURED_LAYERS
