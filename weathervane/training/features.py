"""Features of a frozen backbone, computed once for each picture: the lever on a CPU.

In: a backbone and pictures with their digests. Out: float32 [n, views, features]; the views of a
picture are itself and its mirror image. Each is computed alone, by LiteRT: a picture takes a third
of the time that TensorFlow needs, and its features do not depend on what else is computed.
"""

import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from weathervane.data.files import write_whole
from weathervane.data.images import PREPROCESSING, Picture
from weathervane.registry.packaging import convert
from weathervane.training.architectures.backbone import AVERAGE
from weathervane.training.augmentation import mirrored
from weathervane.training.cache import Cache
from weathervane.training.export import export

if TYPE_CHECKING:
    import keras

Features = NDArray[np.float32]  # [n, views, features]

_SAID_EVERY = 100


def backbone_digest(backbone: "keras.Model") -> str:
    """A digest of what ``backbone`` computes: its layers, their settings, every weight."""
    digest = hashlib.sha256(PREPROCESSING.encode())
    for layer in leaf_layers(backbone):
        settings = layer.get_config()
        settings.pop("name", None)  # Keras numbers names within a process
        text = json.dumps([type(layer).__name__, settings], sort_keys=True, default=str)
        digest.update(text.encode())
    for weight in backbone.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:32]


def shallow_features(backbone: "keras.Model") -> int:
    """How many of the features, the first ones, come from the shallower half of several maps."""
    maps = [one for one in leaf_layers(backbone) if one.name.startswith(AVERAGE)]
    return sum(one.output.shape[1] for one in maps[: len(maps) // 2])


def leaf_layers(model: "keras.Model") -> Iterator[Any]:
    """The layers of ``model`` from input to output, those of models within it in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from leaf_layers(layer)
        else:
            yield layer


def compute(
    backbone: "keras.Model",
    pictures: Sequence[Picture],
    digests: Sequence[str],
    *,
    cache: Cache,
    progress: Callable[[str], None] = lambda line: None,
) -> Features:
    """Features of each picture and of its mirror image.

    Args:
        backbone: uint8 [n, size, size, 3] to float32 [n, features].
        pictures: uint8 [size, size, 3] each.
        digests: sha256 of each picture's file, hex; what is known under it is not computed.
        cache: where features are looked for, and kept as they come: whoever is killed loses
            the pictures that are in work.
        progress: told now and then how many are left, and for how long.
    """
    folder = cache.features(backbone_digest(backbone))
    # Whoever wants the same at the same time waits for it instead of computing it too.
    with FileLock(folder / ".lock") if folder else nullcontext():
        known = _Known(folder, (2, backbone.output_shape[1]))
        found = {digest: known.read(digest) for digest in digests}
        missing = {digest: number for number, digest in enumerate(digests) if found[digest] is None}
        begun = time.monotonic()
        for done, (digest, one) in enumerate(_extract(backbone, pictures, missing)):
            if done == 0:  # what came before is done once
                begun = time.monotonic()
            found[digest] = one
            known.write(digest, one)
            if done % _SAID_EVERY == 0 or done == len(missing) - 1:
                left = (time.monotonic() - begun) / max(done, 1) * (len(missing) - 1 - done)
                progress(f"features of {done + 1} of {len(missing)} pictures, {left:.0f} s left")
    return np.stack([cast(NDArray[np.float32], found[digest]) for digest in digests])


@dataclass(frozen=True)
class _Known:
    """Features in a folder, a file each; in None, there are none."""

    folder: Path | None
    shape: tuple[int, ...]

    def read(self, digest: str) -> NDArray[np.float32] | None:
        if self.folder is None:
            return None
        try:
            features: NDArray[np.float32] = np.load(self.folder / f"{digest}.npy")
        except (OSError, ValueError, EOFError):  # absent, or cut short by a machine that fell
            return None
        whole = features.shape == self.shape and features.dtype == np.float32
        return features if whole else None

    def write(self, digest: str, features: NDArray[np.float32]) -> None:
        if self.folder is not None:
            buffer = io.BytesIO()
            np.save(buffer, features)
            write_whole(self.folder / f"{digest}.npy", buffer.getvalue())


def _extract(
    backbone: "keras.Model", pictures: Sequence[Picture], wanted: Mapping[str, int]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The features of the pictures at the places that are ``wanted``, on all cores, in turn."""
    if not wanted:
        return
    from ai_edge_litert.interpreter import Interpreter

    model = _converted(backbone)
    idle: SimpleQueue[Any] = SimpleQueue()
    threads = os.cpu_count() or 1
    for _ in range(threads):
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
        idle.put(interpreter)

    def both_views(place: int) -> NDArray[np.float32]:
        interpreter = idle.get()
        (asked,), (told,) = interpreter.get_input_details(), interpreter.get_output_details()
        rows = []
        for view in (pictures[place][None], mirrored(pictures[place][None])):
            interpreter.set_tensor(asked["index"], np.ascontiguousarray(view))
            interpreter.invoke()
            rows.append(interpreter.get_tensor(told["index"])[0])
        idle.put(interpreter)
        return np.stack(rows)

    pool = ThreadPoolExecutor(threads)
    try:
        yield from zip(wanted, pool.map(both_views, wanted.values()), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _converted(backbone: "keras.Model") -> bytes:
    # By way of a SavedModel: conversion without one loses the weights of models within models.
    with tempfile.TemporaryDirectory() as scratch:
        export(backbone, backbone.input_shape[1], Path(scratch, "backbone"))
        return convert(Path(scratch, "backbone"))
