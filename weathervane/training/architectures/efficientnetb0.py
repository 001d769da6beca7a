"""EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946): larger and slower than MobileNetV2."""

from functools import partial
from typing import TYPE_CHECKING

from weathervane.training.architectures.architecture import Architecture
from weathervane.training.architectures.backbone import IMAGENET, build, pooled

if TYPE_CHECKING:
    import keras

# The map before each halving of the sides, and the last one.
_TAPS = (
    "block3a_expand_activation",
    "block4a_expand_activation",
    "block6a_expand_activation",
    "top_activation",
)
# Of the pictures of ImageNet: red, green, blue, in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def features(size: int, weights: str | None) -> "keras.Model":
    """Averages of four maps; without weights the network up to the second map only."""
    from keras import Input, applications, layers

    picture = Input((size, size, 3), dtype="uint8", name="image")
    # The network itself expects 0 to 255.
    scale, offset = [1.0] * 3, [0.0] * 3
    if weights not in (None, IMAGENET):
        # The published weights expect their input divided by the deviation, but the layer that
        # they fill divides by its root. Keras mends that only when it downloads the weights
        # itself; here the same is done ahead of the network.
        scale = [deviation**-0.5 for deviation in _DEVIATION]
        offset = [255 * mean * (1 - factor) for mean, factor in zip(_MEAN, scale, strict=True)]
    scaled = layers.Rescaling(scale, offset=offset)(picture)
    network = partial(applications.EfficientNetB0, include_top=False, input_shape=(size, size, 3))
    taps = _TAPS[1:2] if weights is None else _TAPS
    return pooled(picture, scaled, build(network, weights), taps)


EFFICIENTNETB0 = Architecture(name="efficientnetb0", features=features, takes_weights=True)
