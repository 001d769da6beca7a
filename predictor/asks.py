"""Classification over REST in the forms that there are: V2, V1, one picture, several.

In: a request with its body read. Out: the response, or a `ProtocolError`.
"""

from starlette.requests import Request
from starlette.responses import Response

from predictor import v1, v2
from predictor.answers import as_json
from predictor.bodies import read_files
from predictor.inference import Inference
from predictor.model import PackagedModel
from predictor.protocol import MAX_PICTURES, InferRequest, ProtocolError, is_traffic


class Asks:
    """Handlers over one model."""

    def __init__(self, model: PackagedModel, inference: Inference) -> None:
        self._model = model
        self._inference = inference

    async def v2(self, request: Request, body: bytes) -> Response:
        """V2, JSON or binary."""
        name, digest = self._model.name, self._model.package.digest
        content, headers = await self._inference.answer(
            lambda: v2.decode(body, request.headers, name),
            lambda answer, asked: v2.encode(answer, asked, name, digest),
            counted=is_traffic(request.headers),
        )
        return Response(content, headers=headers)

    async def v1(self, request: Request, body: bytes) -> Response:
        """V1: ``{"instances": [{"b64": …}]}``."""
        content = await self._inference.answer(
            lambda: InferRequest(pictures=v1.decode(body), outputs=()),
            lambda answer, _: v1.encode(answer, self._model.package.labels),
            counted=is_traffic(request.headers),
        )
        return Response(content, media_type="application/json")

    async def form(self, request: Request, body: bytes) -> Response:
        """A form with one picture, in the field ``file``."""
        (file,) = await read_files(request.headers, body, "file", most=1)
        (prediction,) = await self._inference.answer(
            lambda: InferRequest(pictures=(file.content,), outputs=()),
            lambda answer, _: v1.predictions(answer, self._model.package.labels),
            counted=is_traffic(request.headers),
        )
        return as_json(prediction)

    async def batch(self, request: Request, body: bytes) -> Response:
        """A form with pictures in the field ``files``.

        One entry each, in order: a prediction, or why there is none. A picture that cannot be read
        leaves the others alone, so the answer is 200 whatever is in them.
        """
        files = await read_files(request.headers, body, "files", most=MAX_PICTURES)
        outcomes = await self._inference.each(
            tuple(file.content for file in files), counted=is_traffic(request.headers)
        )
        labels = self._model.package.labels
        return as_json(
            {
                "predictions": [
                    {
                        "file": file.name,
                        **(
                            {"error": str(outcome)}
                            if isinstance(outcome, ProtocolError)
                            else v1.predictions(outcome, labels)[0]
                        ),
                    }
                    for file, outcome in zip(files, outcomes, strict=True)
                ]
            }
        )
