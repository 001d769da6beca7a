"""One question to a server of ours on loopback, over a connection that is closed at once.

In: a port and a path. Out: an `Answer`, or an `OSError`. No proxy from the environment comes in
between, and no idle connection is left behind.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from weathervane.local.ports import LOOPBACK

_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


def ask(port: int, path: str, query: Mapping[str, str] | None = None) -> Answer:
    """GET ``path``, waiting at most two seconds for each part of the answer.

    Raises:
        OSError: when nobody answers in time, or not in HTTP.
    """
    target = f"{path}?{urlencode(query)}" if query else path
    with closing(HTTPConnection(LOOPBACK, port, timeout=_SECONDS)) as connection:
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
        except HTTPException as error:
            raise ConnectionError(f"{type(error).__name__} {error}".strip()) from error
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(status=response.status, headers=headers, text=body.decode(errors="replace"))
