"""What one client of the REST front may take, and all of them together; see `connection`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client, or all of them, may take."""

    connections: int = 512
    head_seconds: float = 10.0  # from the first byte of a request to the end of its headers
    body_seconds: float = 60.0  # from there to the end of its body
    head_bytes: int = 32 * 1024
    chunks: int = 4 * 1024  # of one body; of 4 KiB each, as many as the largest has
    ahead: int = 64  # requests on one connection that wait for the answer to another
    held_bytes: int = 256 * 1024 * 1024  # of bodies that have come and are not answered
