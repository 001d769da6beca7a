"""JSON is taken without the freedoms of its parsers, and without guessing."""

import json

import pytest

from predictor.protocol import ProtocolError
from predictor.strict import parse_object


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 1}]}',
        b'{"a:b": "c:d:e", "\\u0061": "\\"", "n": ["::", {"x": ":"}]}',
        json.dumps({"data": ["a:b"] * 1000}).encode(),
        b'{"a": ' + b"[" * 500 + b'":"' + b"]" * 500 + b"}",
    ],
)
def test_what_any_parser_reads_alike_is_read(text: bytes):
    assert parse_object(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "b": 2, "a": ":"}',
        b'{"x": {"a": 1, "a": 2}}',
        b'{"x": [{"a": 1, "a": 2}]}',
        b'{"a": 1, "\\u0061": 2}',
        # As many colons as keys, were it not for the one that is written otherwise.
        b'{"a": 1, "a": 2, "b": "\\u003a"}',
        b'{"x": [[[[[[{"a": 1, "a": 2}]]]]]]}',
        b'{"x": [' + b"1," * 100 + b'{"a": 1, "a": 2}]}',
    ],
)
def test_a_key_that_occurs_twice_is_refused(text: bytes):
    with pytest.raises(ProtocolError, match="occurs twice"):
        parse_object(text)


@pytest.mark.parametrize("text", [b"[]", b"null", b"1", b'"a"', b""])
def test_only_an_object_is_a_request(text: bytes):
    with pytest.raises(ProtocolError):
        parse_object(text)


def test_what_only_the_quick_parser_bears_is_refused():
    with pytest.raises(ProtocolError, match="too deep"):
        parse_object(b'{"a": ' + b"[" * 1000 + b'":"' + b"]" * 1000 + b"}")
