"""Write the package that is measured: ``python -m tests.bench.predictor.package FOLDER``.

MobileNetV2 at 224 pixels, whole and with random weights: what it answers means nothing, how long it
takes is the same. A process of its own, so that TensorFlow is not in the one that measures.
"""

import sys
import tempfile
from pathlib import Path

import keras

from weathervane.data.scenes import WEATHERS
from weathervane.registry.packaging import build_package
from weathervane.training.export import export

SIZE = 224


def main(out: Path) -> None:
    keras.utils.set_random_seed(7)
    image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg"
    )
    # Untrained features are small and much alike; of one length, and with large weights after
    # them, they decide between the classes as golden pictures have to.
    features = keras.layers.UnitNormalization()(network(scaled))
    large = keras.initializers.RandomNormal(0, 2)
    classes = keras.layers.Dense(len(WEATHERS), activation="softmax", kernel_initializer=large)
    with tempfile.TemporaryDirectory() as folder:
        export(keras.Model(image, classes(features)), SIZE, Path(folder))
        build_package(
            Path(folder),
            out,
            model="weather",
            labels=WEATHERS,
            size=SIZE,
            data_digest="d" * 64,
            code_version="0.1.0",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
