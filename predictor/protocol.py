"""What a request and an answer are, whatever they travel in: JSON, binary tensors, a form, gRPC.

The codecs (`v2`, `v1`, `v2_grpc`) turn bytes into these values and back; `model` works on nothing
else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.errors import ImageError, WeathervaneError
from weathervane.rollout.counts import PROBE_HEADER

INPUT = "image"
OUTPUTS = ("probabilities", "label", "confidence")

# Pictures of one request are worked off one after another by one thread: more of them than this
# would keep it from everybody else.
MAX_PICTURES = 64

# Encoded files (JPEG, PNG, WebP), or RGB pixels [n, height, width, 3].
Pictures = tuple[bytes, ...] | NDArray[np.uint8]


# What is said of our own failures: their reason may show what is not the client's to see.
INTERNAL = "internal error; the predictor's log has the reason"
NO_CHANGE = (
    "this predictor was started for one package, by its digest, and loads and unloads nothing; "
    "a new model comes by rollout"
)

# No answer, but what nginx writes down for a request whose client left before its answer.
LEFT = 499

# What a refusal with this status is counted as; anything else is "internal".
_KINDS = {
    400: "malformed",
    401: "unauthorised",
    403: "forbidden",
    404: "unknown",
    408: "slow",
    409: "conflict",
    413: "too_large",
    415: "unsupported",
    429: "busy",
    LEFT: "left",
    503: "busy",
}


class ProtocolError(WeathervaneError):
    """A request that is refused, with the HTTP status that says whose fault it was."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def kind(self) -> str:
        """One word for metrics and logs; pictures by their fault, as ``picture_damaged``."""
        if isinstance(self.__cause__, ImageError):
            return f"picture_{self.__cause__.fault}"
        return kind_of(self.status)


def kind_of(status: int) -> str:
    """One word for metrics and logs, for a request that was not answered well."""
    return _KINDS.get(status, "internal")


def malformed(message: str) -> ProtocolError:
    """The client's mistake: the same request will never succeed."""
    return ProtocolError(400, message)


def is_traffic(headers: Mapping[str, str]) -> bool:
    """Whether a request is anybody's but a rollout's own; names of headers in lower case."""
    return PROBE_HEADER not in headers


def server_metadata() -> dict[str, Any]:
    """What the server is, and which extensions of the protocol it speaks."""
    return {
        "name": "weathervane",
        "version": version("weathervane"),
        "extensions": ["binary_tensor_data"],
    }


@dataclass(frozen=True, kw_only=True)
class RequestedOutput:
    """One output that the client asked for, and whether as raw bytes after the JSON."""

    name: str
    binary: bool = False


@dataclass(frozen=True, kw_only=True)
class InferRequest:
    """A request that was found whole."""

    pictures: Pictures
    outputs: tuple[RequestedOutput, ...]
    id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Classification:
    """The answer for n pictures."""

    probabilities: NDArray[np.float32]  # [n, classes], in the order of the package's labels
    labels: tuple[str, ...]  # n
    confidences: NDArray[np.float32]  # [n], the probability of the label
    # Of all n, in the engine alone.
    infer_seconds: float = 0.0
