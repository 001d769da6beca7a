"""The tensor ``image``, in any of its forms, to pictures; label tensors to bytes.

In: datatype, shape and content, as a V2 request gives them. Out: pictures, or a `ProtocolError`
that says which of them contradicts which.
"""

import binascii
import struct
from collections.abc import Sequence
from itertools import chain
from math import prod
from reprlib import repr as shortened
from typing import Any, cast

import numpy as np
import pybase64

from predictor.protocol import INPUT, MAX_PICTURES, Pictures, ProtocolError, malformed
from weathervane.data.images import MAX_PIXELS

# All datatypes of the protocol:
# https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
DATATYPES = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES"),
)
_LENGTH = struct.Struct("<I")


def check_form(datatype: object, shape: object) -> tuple[int, ...]:
    """Whether ``image`` may have this datatype and shape; the shape as it was found.

    Raises:
        ProtocolError: 400.
    """
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise malformed(f"{shortened(datatype)} is no datatype; {INPUT!r} takes BYTES or UINT8")
    if datatype not in {"BYTES", "UINT8"}:
        raise malformed(f"{INPUT!r} takes BYTES or UINT8, got {datatype}")
    if not isinstance(shape, list) or not all(type(side) is int for side in shape):
        raise malformed(
            f"the shape of {INPUT!r} must be a list of integers, got {shortened(shape)}"
        )
    if any(side < 1 for side in shape):
        raise malformed(f"every dimension of {INPUT!r} must be at least 1, got {shortened(shape)}")
    if datatype == "BYTES" and len(shape) != 1:
        raise malformed(f"BYTES of {INPUT!r} have the shape [n], got {shortened(shape)}")
    if datatype == "UINT8" and (len(shape) != 4 or shape[3] != 3):
        raise malformed(
            f"UINT8 of {INPUT!r} has the shape [n, height, width, 3], got {shortened(shape)}"
        )
    if shape[0] > MAX_PICTURES:
        raise malformed(f"at most {MAX_PICTURES} pictures at once, got {shape[0]}")
    if datatype == "UINT8" and shape[1] * shape[2] > MAX_PIXELS:
        raise malformed(f"a picture has at most {MAX_PIXELS} pixels, got {shape[1]}x{shape[2]}")
    return tuple(shape)


def from_raw(datatype: str, shape: tuple[int, ...], raw: bytes) -> Pictures:
    """Pictures of a binary tensor: row-major UINT8, or BYTES with their lengths before them.

    Raises:
        ProtocolError: 400, when the bytes are not exactly those of the shape.
    """
    if datatype == "UINT8":
        wanted = prod(shape)
        if len(raw) != wanted:
            raise malformed(f"UINT8 {list(shape)} takes {wanted} bytes, got {len(raw)}")
        return np.frombuffer(raw, np.uint8).reshape(shape)
    elements, at = [], 0
    while at < len(raw):
        if at + _LENGTH.size > len(raw):
            raise malformed("the binary data end within the length of a BYTES element")
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        if at + length > len(raw):
            raise malformed(
                f"a BYTES element of {length} bytes is announced where {len(raw) - at} are left"
            )
        elements.append(raw[at : at + length])
        at += length
    return counted_elements(shape, elements)


def from_json(datatype: str, shape: tuple[int, ...], data: object) -> Pictures:
    """Pictures of a JSON tensor: base64 strings, or integers, flat or nested as the shape is.

    Raises:
        ProtocolError: 400, naming what does not fit.
    """
    if not isinstance(data, list):
        raise malformed(f"'data' of {INPUT!r} must be a list, got {type(data).__name__}")
    if datatype == "BYTES":
        return counted_elements(shape, [from_base64(element) for element in data])
    return from_integers(shape, _flat(shape, data))


def from_base64(text: object) -> bytes:
    """One encoded picture out of a JSON string.

    Raises:
        ProtocolError: 400, when it is no string or not standard base64.
    """
    if not isinstance(text, str):
        raise malformed(f"a picture in JSON is a base64 string, got {type(text).__name__}")
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed(f"a picture in JSON must be base64 without line breaks: {error}") from error


def from_integers(shape: tuple[int, ...], values: Sequence[object]) -> Pictures:
    """Pictures of flat integers from 0 to 255.

    Raises:
        ProtocolError: 400, when there are more or fewer, or others.
    """
    wanted = prod(shape)
    if len(values) != wanted:
        raise malformed(f"UINT8 {list(shape)} takes {wanted} values, got {len(values)}")
    try:
        pixels = np.frombuffer(bytes(cast(Sequence[int], values)), np.uint8)
    except TypeError as error:
        raise _no_integers(values) from error
    except ValueError as error:
        raise malformed("UINT8 takes integers from 0 to 255") from error
    # Booleans are integers to Python: they have passed, as 0 and 1.
    suspects = np.flatnonzero(pixels <= 1).tolist()
    if any(type(values[index]) is bool for index in suspects):
        raise _no_integers(values)
    return pixels.reshape(shape)


def _no_integers(values: Sequence[object]) -> ProtocolError:
    others = sorted(kind.__name__ for kind in set(map(type, values)) - {int})
    return malformed(f"UINT8 takes integers, got {', '.join(others)}")


def counted_elements(shape: tuple[int, ...], elements: Sequence[bytes]) -> Pictures:
    """Encoded pictures, when there are as many as the shape says.

    Raises:
        ProtocolError: 400.
    """
    if len(elements) != shape[0]:
        raise malformed(
            f"the shape {list(shape)} announces {shape[0]} pictures, got {len(elements)}"
        )
    return tuple(elements)


def to_raw(texts: Sequence[str]) -> bytes:
    """A BYTES tensor of texts, as UTF-8 with their lengths before them."""
    encoded = [text.encode() for text in texts]
    return b"".join(chain.from_iterable((_LENGTH.pack(len(one)), one) for one in encoded))


def _flat(shape: tuple[int, ...], data: list[object]) -> list[object]:
    """Row-major elements; nested lists must follow the shape exactly."""
    # The first element tells; a list after a number is no integer to whoever reads the elements.
    if not data or not isinstance(data[0], list):
        return data
    level: list[Any] = [data]
    for depth, side in enumerate(shape):
        if any(not isinstance(part, list) or len(part) != side for part in level):
            raise malformed(f"'data' is not nested as the shape {list(shape)}, at depth {depth}")
        level = list(chain.from_iterable(level))
    return level
