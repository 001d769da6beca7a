"""Servers that outlive the command that starts them, and are found again after any crash.

In: a state folder, a name, a command. Out: a process in a session of its own that carries the
folder and the name in its environment. Whoever looks for it reads the environments of all processes
of this user: there is no pid file that could be stale or missing, and the children of a server are
found with it.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import psutil

from weathervane.errors import PlatformError

# Processes by the name of the server that they belong to.
Running: TypeAlias = Mapping[str, Sequence[psutil.Process]]

_STATE = "WEATHERVANE_STATE"
_NAME = "WEATHERVANE_PROCESS"
_LOOK_SECONDS = 0.02
# After SIGKILL only a hanging disk or network file system keeps a process.
_KILL_SECONDS = 5.0


def start(
    state: Path,
    name: str,
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    sockets: Sequence[socket.socket] = (),
) -> int:
    """Start a server detached from this process, its output in `log_file`; returns its pid.

    Args:
        state: the folder that it belongs to.
        name: what `find` and `stop` call it.
        argv: the program by its whole path, and its arguments.
        environment: variables on top of this process's own.
        sockets: held for it by `ports.reserve`.

    Raises:
        PlatformError: when the program cannot be started.
    """
    log = log_file(state, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    # A bound socket keeps a port for the server that inherits it only where Linux' rules hold;
    # elsewhere it would shut out the server itself.
    if sys.platform == "linux":
        for held in sockets:
            held.set_inheritable(True)
    try:
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            {**os.environ, **environment, _STATE: os.path.realpath(state), _NAME: name},
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                # Of this run only, so that its last line is never an older run's.
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            # Ctrl-C is for the command in the foreground; Python ignores SIGPIPE, servers do not.
            setsid=True,
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
        )
    except OSError as error:
        raise PlatformError(f"cannot start {argv[0]}: {error.strerror}") from error
    # We go on when the new program has its memory, and a moment before its environment is there:
    # whoever looked then would not find it. One that has ended already has none to read.
    with suppress(psutil.Error):
        while not psutil.Process(pid).environ():
            time.sleep(0.001)
    return pid


def running(state: Path) -> Running:
    """Every process of the platform in ``state``, by name; one pass over the process table."""
    folder = os.path.realpath(state)
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            # Gone meanwhile, or another user's.
            continue
        if environment.get(_STATE) == folder and (name := environment.get(_NAME)):
            found.setdefault(name, []).append(process)
    return found


def still(seen: Running) -> Running:
    """Those of the servers that were seen running which have not ended since."""
    alive = {name: [one for one in found if _lives(one)] for name, found in seen.items()}
    return {name: found for name, found in alive.items() if found}


def find(state: Path, name: str) -> Sequence[psutil.Process]:
    """The processes of one server: itself and its children; empty when it does not run."""
    return running(state).get(name, ())


def stop(state: Path, *names: str, grace_seconds: float = 10.0) -> None:
    """End the named servers with their children and return when they are gone; none: all of them.

    Raises:
        PlatformError: when one survives even SIGKILL.
    """
    asked: set[psutil.Process] = set()
    begun = time.monotonic()
    # Looked for again and again: a server may have been about to start a child.
    while left := _belonging(state, names):
        waited = time.monotonic() - begun
        if waited > grace_seconds + _KILL_SECONDS:
            pids = ", ".join(str(process.pid) for process in left)
            raise PlatformError(f"processes {pids} do not end; look at what holds them")
        for process in left:
            if waited > grace_seconds:
                _signal(process, signal.SIGKILL)
            elif process not in asked:
                _signal(process, signal.SIGTERM)
                asked.add(process)
        time.sleep(_LOOK_SECONDS)
    for process in asked:
        # Those that this very process started stay in the table until their parent asks.
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def log_file(state: Path, name: str) -> Path:
    """Where a server's output goes."""
    return state / "logs" / f"{name}.log"


def last_words(state: Path, name: str) -> str:
    """The last line of a server's output that says something; empty when it said nothing."""
    try:
        with log_file(state, name).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _belonging(state: Path, names: Sequence[str]) -> list[psutil.Process]:
    return [
        process
        for name, processes in running(state).items()
        if not names or name in names
        for process in processes
        # A command that a server of ours has started may well be asked to stop the platform.
        if process.pid != os.getpid()
    ]


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
