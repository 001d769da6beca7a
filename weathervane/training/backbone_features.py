"""What a pretrained backbone sees in pictures: files in, features out, a few pictures at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from weathervane.data import images
from weathervane.data.traits import Traits
from weathervane.training.architectures import ARCHITECTURES

_ARCHITECTURE = "mobilenetv2"
_PIXELS = 160
_BATCH = 32


def backbone_features(
    paths: Sequence[Path],
    weights: str,
    progress: Callable[[int, int], None] | None = None,
) -> Traits:
    """Float32 [n, features]; ``progress`` is told how many of how many are done.

    Raises:
        UsageError: when the weights are absent or not of this network.
        ImageError: when a picture cannot be decoded.
    """
    import tensorflow as tf

    network = ARCHITECTURES[_ARCHITECTURE].features(_PIXELS, weights)
    # Not `predict`: it traces the graph again for the last, smaller batch.
    run = tf.function(
        lambda batch: network(batch, training=False),
        input_signature=[tf.TensorSpec((None, _PIXELS, _PIXELS, 3), tf.uint8)],
    )
    parts = []
    for start in range(0, len(paths), _BATCH):
        chunk = paths[start : start + _BATCH]
        pictures = np.stack([images.load(path.read_bytes(), _PIXELS) for path in chunk])
        parts.append(run(tf.constant(pictures)).numpy())
        if progress:
            progress(start + len(chunk), len(paths))
    return np.concatenate(parts)
