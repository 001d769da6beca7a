"""What the backbones of `keras.applications` have in common: weights, batch norm, what is kept."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weathervane.errors import UsageError

if TYPE_CHECKING:
    import keras

IMAGENET = "imagenet"
# How the layers are called that make features of maps, the shallowest map first.
AVERAGE = "average_"


def build(network: "Callable[..., keras.Model]", weights: str | None) -> "keras.Model":
    """Build a network of `keras.applications` with ``weights`` in it.

    Raises:
        UsageError: when the weights are absent, cannot be downloaded, or belong to another network.
    """
    if weights not in (None, IMAGENET) and not Path(weights).is_file():
        raise UsageError(f"there is no file of weights {weights}")
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that find nothing in a file.
            warnings.filterwarnings("error", message="Skipping nested container")
            built = network(weights=weights)
    except Exception as error:
        # Keras has no error of its own for weights: a file of another network gives anything from
        # OSError to AttributeError. Without weights, none of it is expected.
        if weights is None:
            raise
        reason = "cannot be downloaded" if weights == IMAGENET else "are not of this network"
        raise UsageError(f"the weights {weights} {reason}: {_first_line(error)}") from error
    if weights is None:
        _quicken_batch_norm(built)
    return built


def pooled(
    picture: "keras.KerasTensor",
    scaled: "keras.KerasTensor",
    network: "keras.Model",
    taps: Sequence[str],
) -> "keras.Model":
    """A model from ``picture`` to the averages of the network's maps that ``taps`` name."""
    from keras import Model, layers

    outputs = [
        layers.GlobalAveragePooling2D(name=f"{AVERAGE}{tap}")(network.get_layer(tap).output)
        for tap in taps
    ]
    averages = Model(network.inputs, layers.Concatenate()(outputs) if taps[1:] else outputs[0])
    return Model(picture, averages(scaled))


def _first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0]


def _quicken_batch_norm(network: "keras.Model") -> None:
    """Let the averages of batch norm follow within tens of steps instead of thousands.

    With the momentum of 0.999 that suits weeks of training, inference after a few hundred steps
    would still normalise by the values that the layers began with, and answer nonsense.
    """
    from keras import layers

    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
