"""How large the body of a request may be: counted in pictures, whatever it takes to send them."""

from collections.abc import Mapping

# Of a request in JSON, what is no picture: names, shapes, parameters.
_AROUND_BYTES = 64 * 1024
_BINARY = "inference-header-content-length"


def largest_body(headers: Mapping[str, str], pictures_bytes: int) -> int:
    """Bytes of the largest body in which ``pictures_bytes`` of pictures may come.

    Forms and binary tensors carry them as they are. JSON carries them in base64, four characters
    for three bytes (RFC 4648, section 4), so that the same picture is not refused for its clothes.

    Args:
        headers: of the request, in lower case.
        pictures_bytes: the setting.
    """
    if _BINARY in headers or headers.get("content-type", "").startswith("multipart/form-data"):
        return pictures_bytes
    return -(-pictures_bytes // 3) * 4 + _AROUND_BYTES
