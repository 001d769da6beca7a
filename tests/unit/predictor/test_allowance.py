"""The largest request is counted in pictures, not in what carries them."""

import base64

import pytest

from predictor.allowance import largest_body

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("headers", "most"),
    [
        ({"inference-header-content-length": "100"}, MEBIBYTE),
        ({"content-type": "multipart/form-data; boundary=x"}, MEBIBYTE),
        ({"content-type": "application/json"}, 1_463_640),
        ({}, 1_463_640),
    ],
)
def test_pictures_in_json_may_take_a_third_more(headers: dict[str, str], most: int):
    assert largest_body(headers, MEBIBYTE) == most


@pytest.mark.parametrize("size", [1, 2, 3, 7 * MEBIBYTE, 8 * MEBIBYTE])
def test_a_picture_that_may_come_as_it_is_may_come_in_base64(size: int):
    encoded = len(base64.b64encode(bytes(size)))

    assert encoded < largest_body({}, size) <= encoded + 64 * 1024
