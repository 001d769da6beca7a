"""Outcomes as HTTP responses: JSON, and errors as the protocol wants them, ``{"error": "…"}``."""

import orjson
from starlette.responses import Response

from predictor.access import CHALLENGE

_HEADERS = {
    401: {"www-authenticate": CHALLENGE},
    429: {"retry-after": "1"},
    503: {"retry-after": "1"},
}


def as_json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response; numpy's numbers are welcome."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def refusal(status: int, message: str) -> Response:
    """An error, with the headers that its status asks for."""
    return as_json({"error": message}, status, _HEADERS.get(status))
