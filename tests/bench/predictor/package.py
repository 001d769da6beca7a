"""Write the package that is measured: ``python -m tests.bench.predictor.package FOLDER``.

MobileNetV2 at 224 pixels, whole and with random weights: what it answers means nothing, how long it
takes is the same. A process of its own, so that TensorFlow is not in the one that measures.
"""

import sys
from pathlib import Path

import keras

from tests.tiny_package import write
from weathervane.data.scenes import WEATHERS

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
    write(keras.Model(image, classes(features)), out, SIZE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
