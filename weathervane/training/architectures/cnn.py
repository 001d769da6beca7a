"""Small convolutional networks, trained from scratch: quick candidates for few pictures."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from weathervane.training.architectures.architecture import Architecture

if TYPE_CHECKING:
    import keras

# Channels after each halving of the sides, and how the sides are halved. Strides are cheap where
# maps are large; on smaller ones the maximum keeps flakes and streaks wherever they lie.
_STAGES = ((16, "stride"), (32, "stride"), (64, "maximum"), (96, "maximum"))
# Half as wide and cheap all the way: for machines that have little to spare.
_SMALL_STAGES = ((8, "stride"), (16, "stride"), (32, "stride"), (48, "stride"))


def features(
    size: int, _weights: str | None, *, stages: Sequence[tuple[int, str]] = _STAGES
) -> "keras.Model":
    """Halve the sides at each stage; then the average and the maximum over the whole picture."""
    from keras import Input, Model, layers

    picture = Input((size, size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(picture)
    for channels, halving in stages:
        strides = 2 if halving == "stride" else 1
        x = layers.Conv2D(channels, 3, strides=strides, padding="same", use_bias=False)(x)
        if halving == "maximum":
            x = layers.MaxPooling2D()(x)
        # The usual momentum of 0.99 needs hundreds of steps before inference is any good.
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    pooled = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    return Model(picture, layers.Concatenate()(pooled), name="cnn")


CNN = Architecture(name="cnn", features=features, takes_weights=False)
SMALL_CNN = Architecture(
    name="cnn-small", features=partial(features, stages=_SMALL_STAGES), takes_weights=False
)
