"""A client of the Open Inference Protocol V2 for encoded pictures, over REST.

In: picture files as bytes. Out: one `Prediction` each. Pictures travel by the binary tensor
extension, which spares the third that base64 would add:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/extension_binary_data.md
"""

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from weathervane.errors import DeploymentError
from weathervane.rollout.counts import PROBE_HEADER
from weathervane.rollout.port import Prediction

_HEADER_LENGTH = "Inference-Header-Content-Length"


def encode_request(picture: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a V2 request that asks for the label of one encoded picture."""
    # A BYTES element is its length as four little-endian bytes, then itself.
    element = struct.pack("<I", len(picture)) + picture
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "image",
                    "shape": [1],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(element)},
                }
            ],
            "outputs": [{"name": "label"}, {"name": "confidence"}],
        }
    ).encode()
    return header + element, {
        "Content-Type": "application/octet-stream",
        _HEADER_LENGTH: str(len(header)),
    }


def decode_answer(answer: dict[str, Any]) -> Prediction:
    """Read the first picture's label and confidence from a V2 answer.

    Raises:
        DeploymentError: when the answer lacks one of them.
    """
    try:
        outputs = {output["name"]: output["data"] for output in answer["outputs"]}
        return Prediction(
            label=str(outputs["label"][0]), confidence=float(outputs["confidence"][0])
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DeploymentError(
            f"the server's answer holds no label and confidence: {str(answer)[:200]}"
        ) from error


def classify(
    address: str,
    model: str,
    pictures: Sequence[bytes],
    *,
    timeout_seconds: float = 10.0,
    probe: bool = False,
) -> Iterator[Prediction]:
    """Ask the server at ``address`` (``http://host:port``) about each picture in turn.

    As a ``probe`` it is counted as none of the traffic.

    Raises:
        DeploymentError: when it cannot be reached, refuses, fails, or answers nonsense.
    """
    url = f"{address}/v2/models/{model}/infer"
    # Proxies of the environment are not for servers on this machine.
    here = httpx.URL(address).host in ("127.0.0.1", "localhost", "::1")
    with httpx.Client(timeout=timeout_seconds, trust_env=not here) as client:
        for picture in pictures:
            body, headers = encode_request(picture)
            if probe:
                headers[PROBE_HEADER] = "1"
            try:
                response = client.post(url, content=body, headers=headers)
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                raise DeploymentError(f"{url} did not answer: {reason}") from error
            if response.is_error:
                raise DeploymentError(
                    f"{url} answered {response.status_code}: {response.text[:200]}"
                )
            try:
                answer = response.json()
            except ValueError as error:
                raise DeploymentError(f"{url} did not answer JSON") from error
            yield decode_answer(answer)
