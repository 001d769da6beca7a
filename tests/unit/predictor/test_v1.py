"""V1: instances with base64, predictions that a person can read."""

import base64
import json

import numpy as np
import pytest

from predictor import v1
from predictor.protocol import Classification, ProtocolError

TEXT = base64.b64encode(b"picture").decode()


def test_instances_are_pictures_in_base64():
    body = json.dumps({"instances": [{"b64": TEXT}, {"b64": TEXT}]}).encode()

    assert v1.decode(body) == (b"picture", b"picture")


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({}, "'instances' must be"),
        ({"instances": []}, "'instances' must be"),
        ({"instances": {"b64": TEXT}}, "'instances' must be"),
        ({"instances": [TEXT]}, "an instance is"),
        ({"instances": [{}]}, "an instance is"),
        ({"instances": [{"b64": TEXT, "more": 1}]}, "an instance is"),
        ({"instances": [{"b64": 7}]}, "is a base64 string, got int"),
        ({"instances": [{"b64": "?"}]}, "must be base64"),
        ({"instances": [{"b64": TEXT}] * 65}, "at most 64 pictures"),
        ([], "must be a JSON object"),
    ],
)
def test_anything_else_is_refused_with_the_reason(request_: object, told: str):
    with pytest.raises(ProtocolError, match=told) as refused:
        v1.decode(json.dumps(request_).encode())

    assert refused.value.status == 400


def test_a_prediction_names_every_class():
    answer = Classification(
        probabilities=np.array([[0.25, 0.75]], np.float32),
        labels=("sunny",),
        confidences=np.array([0.75], np.float32),
    )

    assert json.loads(v1.encode(answer, ("foggy", "sunny"))) == {
        "predictions": [
            {
                "label": "sunny",
                "confidence": 0.75,
                "probabilities": {"foggy": 0.25, "sunny": 0.75},
            }
        ]
    }
