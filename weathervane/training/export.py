"""A Keras model in, a SavedModel out: uint8 pictures to probabilities."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def export(model: "keras.Model", size: int, folder: Path) -> None:
    """Write ``model`` (uint8 [n, size, size, 3] to probabilities [n, classes]) as a SavedModel.

    Its signature ``serving_default`` takes ``image`` and gives ``probabilities``, float32, for any
    number of pictures. Normalisation is in the graph; decoding and resizing are not.
    """
    import tensorflow as tf
    from keras.export import ExportArchive

    # The endpoint brings the variables that it uses; tracking the model would store them twice.
    archive = ExportArchive()
    archive.add_endpoint(
        name="serving_default",
        fn=lambda image: {"probabilities": tf.cast(model(image, training=False), tf.float32)},
        input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, name="image")],
    )
    archive.write_out(folder, verbose=False)
