"""What a request and an answer are, whatever they travel in: JSON, binary tensors, a form, gRPC.

The codecs (`v2`, `v1`, `servicer`) turn bytes into these values and back; `model` works on nothing
else.
"""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weathervane.errors import WeathervaneError

INPUT = "image"
OUTPUTS = ("probabilities", "label", "confidence")

# Pictures of one request are worked off one after another by one thread: more of them than this
# would keep it from everybody else.
MAX_PICTURES = 64

# Encoded files (JPEG, PNG, WebP), or RGB pixels [n, height, width, 3].
Pictures = tuple[bytes, ...] | NDArray[np.uint8]


class ProtocolError(WeathervaneError):
    """A request that is refused, with the HTTP status that says whose fault it was."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def malformed(message: str) -> ProtocolError:
    """The client's mistake: the same request will never succeed."""
    return ProtocolError(400, message)


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
