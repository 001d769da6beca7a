"""Addresses to listen on: taken early, listened on late."""

import errno
import socket

from weathervane.errors import PlatformError


def bound(host: str, port: int, option: str) -> socket.socket:
    """A socket at this address that does not listen yet: until we are ready, nobody connects.

    Raises:
        PlatformError: when the port is taken, or the host is not of this machine; names ``option``.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise PlatformError(
            f"cannot listen on {host}: {error.strerror}; choose another --host"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        blamed = "--host" if error.errno == errno.EADDRNOTAVAIL else option
        raise PlatformError(
            f"cannot listen on {spelled(host, port)}: {error.strerror}; choose another {blamed}"
        ) from error
    return listener


def spelled(host: str, port: int) -> str:
    """An address as it is written."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
