"""A custom runtime of MLServer; its settings name the package, the engine and the threads.

It runs in an environment of its own, with this repository on the path.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from tests.bench.predictor.peers.classifier import Classifier


class Runtime(MLModel):
    """Encoded pictures or pixels in, off the event loop, as many at once as there are threads."""

    async def load(self) -> bool:
        settings = self.settings.parameters.extra
        self._classifier = Classifier(
            Path(self.settings.parameters.uri), settings["engine"], settings["threads"]
        )
        self._threads = ThreadPoolExecutor(settings["threads"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._answer, payload
        )

    def _answer(self, payload: InferenceRequest) -> InferenceResponse:
        (tensor,) = payload.inputs
        # A member of an enumeration over REST, a string over gRPC.
        pictures = tensor.data.root if hasattr(tensor.data, "root") else tensor.data
        if len(tensor.shape) > 1:
            pictures = np.asarray(pictures, np.uint8).reshape(tensor.shape)
        outputs = self._classifier.outputs(pictures)
        return InferenceResponse(
            model_name=self.name, outputs=[ResponseOutput(**vars(each)) for each in outputs]
        )
