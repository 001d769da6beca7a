"""A small convolutional network, trained from scratch: the quick candidate for few pictures."""

from typing import TYPE_CHECKING

from weathervane.training.architectures.architecture import Architecture

if TYPE_CHECKING:
    import keras


def features(size: int, _weights: str | None) -> "keras.Model":
    """Halve the sides four times, then average and take the maximum over the whole picture.

    The maximum keeps what is small and bright, such as flakes and streaks.
    """
    from keras import Input, Model, layers

    picture = Input((size, size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(picture)
    for filters in (24, 48, 64, 96):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        # The usual momentum of 0.99 needs hundreds of steps before inference is any good.
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    pooled = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    return Model(picture, layers.Concatenate()(pooled), name="cnn")


CNN = Architecture(name="cnn", features=features, takes_weights=False)
