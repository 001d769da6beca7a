"""What every architecture says of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One way from pictures to features; what follows them is the same for all."""

    name: str
    # (size, weights) to a Keras model: uint8 [n, size, size, 3] to float32 [n, features], with the
    # normalisation inside. ``weights`` is a file's path, "imagenet", or None for random ones.
    features: "Callable[[int, str | None], keras.Model]"
    # False: there are no weights to bring, and the second argument is always None.
    takes_weights: bool
