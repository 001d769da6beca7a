"""JSON without the freedoms that its parsers take: bytes to an object, or a `ProtocolError`.

No NaN, no infinity, no byte order mark, nothing that is not UTF-8, and every key once.
"""

import json
from collections import Counter
from reprlib import repr as shortened
from typing import Any

import orjson

from predictor.protocol import MAX_PICTURES, malformed

# Of a request: inputs, an input, its parameters, one of them.
_DEPTH = 4
_LONG = 256  # characters: longer is a picture


def parse_object(text: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ProtocolError: 400, for anything else.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise malformed(f"the request is not JSON: {error}") from error
    # The parser takes the last of two equal keys, where a proxy may have looked at the first.
    # Every key and nothing else that is usual has a colon, so as many as the keys have means that
    # none is hidden; a backslash may hide one.
    if b"\\" in text or _more_colons(text, _colons(value)):
        _check_keys(text)
    if not isinstance(value, dict):
        raise malformed(f"the request must be a JSON object, got {type(value).__name__}")
    return value


def _more_colons(text: bytes, most: int) -> bool:
    # Searching is a hundred times as fast as counting, and there are few to find.
    at = -1
    for _ in range(most + 1):
        at = text.find(b":", at + 1)
        if at < 0:
            return False
    return True


def _colons(value: object, depth: int = _DEPTH) -> int:
    """At most the colons of this JSON: those in long texts and lists, or deep, do not count."""
    if isinstance(value, str):
        return value.count(":") if len(value) <= _LONG else 0
    if not depth:
        return 0
    if isinstance(value, dict):
        return sum(1 + key.count(":") + _colons(part, depth - 1) for key, part in value.items())
    if isinstance(value, list) and len(value) <= MAX_PICTURES:
        return sum(_colons(part, depth - 1) for part in value)
    return 0


def _check_keys(text: bytes) -> None:
    def unlike(pairs: list[tuple[str, object]]) -> None:
        keys = Counter(key for key, _ in pairs)
        if twice := [key for key, count in keys.items() if count > 1]:
            raise malformed(f"the key {shortened(twice[0])} occurs twice in one object")

    try:
        json.loads(text, object_pairs_hook=unlike)
    except (RecursionError, ValueError) as error:
        # The quicker parser took it: nested deeper than this one goes, or a number too long for it.
        raise malformed("the request is nested too deep or has numbers too long") from error
