"""Starting a server of the platform and knowing that it is ours that answers.

In: how a server is started. Out: it listens on a port that is remembered, or a `PlatformError` with
its own last words.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from weathervane.errors import PlatformError
from weathervane.local import processes
from weathervane.local.ask import ask
from weathervane.local.ports import PortBook, answers, number, reserve

_LOOK_SECONDS = 0.05
# A port can only be lost to somebody who takes it by its number in the very moment of our start.
_PORTS_TRIED = 3


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server. It is ready when its last port answers at ``ready_path`` with less than 500."""

    name: str
    title: str  # for people
    ports: tuple[str, ...]  # their names in the port book
    command: Callable[[Sequence[int]], tuple[list[str], Mapping[str, str]]]
    ready_path: str
    ready_seconds: float


def launch(state: Path, server: Server) -> None:
    """Start a server unless it runs; return without waiting for it."""
    if processes.find(state, server.name):
        return
    book = PortBook(state / "ports.json")
    with ExitStack() as stack:
        held = [stack.enter_context(reserve(book.get(name))) for name in server.ports]
        for name, port in zip(server.ports, held, strict=True):
            book.put(name, number(port))
        argv, environment = server.command([number(port) for port in held])
        processes.start(state, server.name, argv, environment=environment, sockets=held)


def await_ready(state: Path, server: Server) -> None:
    """Return when a server answers; one that lost its port to somebody else gets another.

    Raises:
        PlatformError: when it ends, or does not answer in time.
    """
    book = PortBook(state / "ports.json")
    give_up = time.monotonic() + server.ready_seconds
    tried = 1
    while not is_ready(state, server):
        # One that has just begun shows no environment for a moment, and so is nobody's: look twice.
        if not processes.find(state, server.name) and not _appears(state, server):
            # Nothing of ours runs, yet its port answers: that is somebody else's server.
            taken = any(answers(book.get(name) or 0) for name in server.ports)
            if not taken or tried == _PORTS_TRIED:
                raise PlatformError(_explain(state, server, "has ended"))
            tried += 1
            launch(state, server)
        if time.monotonic() > give_up:
            raise PlatformError(
                _explain(state, server, f"did not answer within {server.ready_seconds:.0f} s")
            )
        time.sleep(_LOOK_SECONDS)


def _appears(state: Path, server: Server) -> bool:
    time.sleep(_LOOK_SECONDS)
    return bool(processes.find(state, server.name))


def is_ready(state: Path, server: Server) -> bool:
    """Whether the server runs, listens on the port that we gave it, and answers."""
    port = PortBook(state / "ports.json").get(server.ports[-1])
    if port is None or not _listens(processes.find(state, server.name), port):
        return False
    try:
        return ask(port, server.ready_path).status < 500
    except OSError:
        return False


def _listens(ours: Sequence[psutil.Process], port: int) -> bool:
    for process in ours:
        try:
            connections = process.connections(kind="tcp")
        except psutil.Error:
            continue
        for connection in connections:
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return True
    return False


def _explain(state: Path, server: Server, what: str) -> str:
    said = processes.last_words(state, server.name)
    log = processes.log_file(state, server.name)
    return f"{server.title} {what}{f': {said}' if said else ''}; its log is {log}"
