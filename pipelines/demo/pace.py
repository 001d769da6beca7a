"""How much traffic the models on stage can take on this machine.

In: a package and pictures as clients send them. Out: requests a second.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from weathervane.data import images
from weathervane.registry.package import Package

_MAX_RATE = 120.0
# The share of one thread that clients may keep busy, where a request costs what its picture costs
# and this much around it.
_BUSY_SHARE, _REQUEST_SECONDS = 0.6, 0.004
_TIMED_PICTURES = 20


def steady_rate(package: Package, pictures: Sequence[bytes]) -> float:
    """Requests a second that one thread of a predictor serves with ease."""
    return min(_MAX_RATE, _BUSY_SHARE / (_picture_seconds(package, pictures) + _REQUEST_SECONDS))


def _picture_seconds(package: Package, pictures: Sequence[bytes]) -> float:
    """Median time to decode and classify one picture, as a predictor does it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter: Any = Interpreter(str(package.litert_model), num_threads=1)
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]["index"]
    took = []
    for picture in pictures[:_TIMED_PICTURES]:
        begun = time.perf_counter()
        interpreter.set_tensor(index, images.load(picture, package.size)[None])
        interpreter.invoke()
        took.append(time.perf_counter() - begun)
    return median(took)
