"""Engines: pixels in, probabilities out, behind one small port; the package says which it needs."""

import importlib.util
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weathervane.errors import PackageError
from weathervane.registry.package import Package


class Engine(Protocol):
    """A loaded model. Safe to ask from several threads at once."""

    name: str

    def probabilities(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Answer one picture uint8 [size, size, 3], RGB, with float32 [classes].

        One at a time: on a CPU a batch hardly takes less than its pictures one by one, and would
        hold up the pictures of others.
        """


def start(package: Package, threads: int) -> Engine:
    """Load the package's model for as many pictures at once as there are ``threads``.

    Raises:
        PackageError: when its graph has operations that are not known to be harmless, this
            predictor has no engine for it, or the engine cannot load it.
    """
    from weathervane.registry.saved_model_graph import check_saved_model

    # Not run by LiteRT, but what a package holds is what any tool may load.
    check_saved_model(package.folder)
    if package.litert_model is not None:
        from predictor.engines.litert import LiteRtEngine

        return LiteRtEngine(
            package.litert_model, size=package.size, classes=len(package.labels), threads=threads
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise PackageError(
            f"{package.folder} brings no LiteRT model, and this predictor has no TensorFlow: "
            "package the model with LiteRT, or use the predictor's image with TensorFlow"
        )
    from predictor.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(
        package.folder, size=package.size, classes=len(package.labels), threads=threads
    )
