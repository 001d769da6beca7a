"""Bodies are read up to a bound, and what is refused is not kept."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from predictor.bodies import read_body
from predictor.protocol import ProtocolError


class Part(bytes):
    """Bytes that are counted when they go."""

    gone = 0

    def __del__(self) -> None:
        Part.gone += 1


def request(parts: Iterator[bytes], **headers: str) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": next(parts), "more_body": True}

    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": told}, receive)


def test_a_body_that_grows_beyond_the_bound_is_refused_and_not_kept():
    def parts() -> Iterator[bytes]:
        for _ in range(6):
            yield Part(1000)

    async def refuse() -> int:
        try:
            await read_body(request(parts()), most=5000)
        except ProtocolError as error:
            return error.status
        return 200

    gc.disable()
    try:
        assert asyncio.run(refuse()) == 413
        assert Part.gone == 6
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content_length": "5001"}, 413), ({"content_encoding": "gzip"}, 415)],
)
def test_what_says_itself_that_it_must_not_be_read_is_not(headers: dict[str, str], status: int):
    with pytest.raises(ProtocolError) as refused:
        asyncio.run(read_body(request(iter(()), **headers), most=5000))

    assert refused.value.status == status
