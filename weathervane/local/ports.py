"""Ports of 127.0.0.1 that stay ours from the moment they are chosen.

A port that was found free and let go again may be taken before the server binds it, which for a
slow server is seconds later. So the chooser binds it, does not listen, and hands the bound socket
down to the server. Linux lets the server bind the same port, since both set SO_REUSEADDR and
nobody listens yet; it gives the port to nobody who asks for any free one.
"""

import json
import socket
from pathlib import Path

from weathervane.data.files import write_whole
from weathervane.errors import PlatformError

LOOPBACK = "127.0.0.1"


def reserve(preferred: int | None = None) -> socket.socket:
    """Hold ``preferred``, or any free port when somebody listens there; close it when handed on."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((LOOPBACK, preferred or 0))
    except OSError:
        held.close()
        if preferred is None:
            raise
        return reserve()
    return held


def require(port: int) -> None:
    """Check that a port which somebody asked for by its number can be had.

    Raises:
        PlatformError: when it is taken or not allowed.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PlatformError(
                f"cannot use port {port}: {error.strerror}; choose another one, or leave it out "
                "and a free one is found"
            ) from error


def number(held: socket.socket) -> int:
    """The port that a socket holds."""
    return int(held.getsockname()[1])


def answers(port: int) -> bool:
    """Whether anybody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


class PortBook:
    """The ports of servers by name, remembered so that addresses survive a restart."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def known(self) -> bool:
        """Whether any port was ever given."""
        return bool(self._read())

    def get(self, name: str) -> int | None:
        """The port that the server had last."""
        port = self._read().get(name)
        return int(port) if port else None

    def put(self, name: str, port: int) -> None:
        """Remember a port, before its server is started."""
        book = json.dumps({**self._read(), name: port}, indent=2, sort_keys=True)
        write_whole(self._file, book.encode())

    def _read(self) -> dict[str, int]:
        try:
            return dict(json.loads(self._file.read_bytes()))
        except FileNotFoundError:
            return {}
