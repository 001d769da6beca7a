"""Write a package that is real in everything but its training: ``tests/tiny_package.py FOLDER``.

A process of its own, so that the tests need no TensorFlow in theirs.
"""

import sys
import tempfile
from pathlib import Path

from weathervane.data.scenes import WEATHERS
from weathervane.lean import import_tensorflow
from weathervane.registry.packaging import build_package
from weathervane.training.export import export

import_tensorflow()
import keras  # noqa: E402

SIZE = 64


def main(out: Path) -> None:
    keras.utils.set_random_seed(7)
    image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    colours = keras.layers.AveragePooling2D(SIZE // 2)(keras.layers.Rescaling(1 / 255)(image))
    # Large weights: the answers mean nothing, but are sure of themselves.
    large = keras.initializers.RandomNormal(0, 9)
    classes = keras.layers.Dense(len(WEATHERS), activation="softmax", kernel_initializer=large)(
        keras.layers.Flatten()(colours)
    )
    write(keras.Model(image, classes), out, SIZE)


def write(model: keras.Model, out: Path, size: int) -> None:
    """Package a model that nobody trained."""
    with tempfile.TemporaryDirectory() as folder:
        export(model, size, Path(folder))
        build_package(
            Path(folder),
            out,
            model="weather",
            labels=WEATHERS,
            size=size,
            data_digest="d" * 64,
            code_version="0.1.0",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
