"""V1 prediction over REST: ``{"instances": [{"b64": …}]}`` to a request, answer to JSON. Pure.

https://github.com/kserve/kserve/blob/master/docs/predict-api/v1/README.md
"""

from typing import Any

import orjson

from predictor import tensors
from predictor.protocol import MAX_PICTURES, Classification, Pictures, malformed
from predictor.strict import parse_object


def decode(body: bytes) -> Pictures:
    """Read the body of ``POST /v1/models/<model>:predict``.

    Raises:
        ProtocolError: 400.
    """
    instances = parse_object(body).get("instances")
    if not isinstance(instances, list) or not instances:
        raise malformed("""'instances' must be a list such as [{"b64": "…"}]""")
    if len(instances) > MAX_PICTURES:
        raise malformed(f"at most {MAX_PICTURES} pictures at once, got {len(instances)}")
    return tuple(_picture(instance) for instance in instances)


def encode(answer: Classification, labels: tuple[str, ...]) -> bytes:
    """The body of the answer: one prediction for each instance."""
    return orjson.dumps(
        {"predictions": predictions(answer, labels)}, option=orjson.OPT_SERIALIZE_NUMPY
    )


def predictions(answer: Classification, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """What a person wants to read of each picture; the probabilities by their label."""
    return [
        {
            "label": label,
            "confidence": confidence,
            "probabilities": dict(zip(labels, probabilities, strict=True)),
        }
        for label, confidence, probabilities in zip(
            answer.labels, answer.confidences, answer.probabilities, strict=True
        )
    ]


def _picture(instance: object) -> bytes:
    if not isinstance(instance, dict) or instance.keys() != {"b64"}:
        raise malformed("""an instance is {"b64": "<a picture in base64>"}""")
    return tensors.from_base64(instance["b64"])
