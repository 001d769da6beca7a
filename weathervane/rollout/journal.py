"""The memory of a rollout on one machine: files in a folder.

In: a state, entries, requests. Out: the same after any crash. The state is replaced whole; the
record only grows; the claim is a lock that the system lets go when its holder dies.

    state.json     what the rollout has to know to go on
    record.jsonl   what happened, one JSON object a line
    requests.jsonl what people asked of the process that drives it, one JSON object a line
    lock, holder   who that is
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from weathervane.data.files import write_whole
from weathervane.errors import DeploymentError, RolloutRunningError


class FileJournal:
    """See `Journal`. ``folder`` belongs to one service and is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self.record = folder / "record.jsonl"
        self._folder = folder
        self._state = folder / "state.json"
        self._requests = folder / "requests.jsonl"
        self._holder = folder / "holder"

    @contextmanager
    def claim(self, holder: str) -> Iterator[None]:
        """See `Journal`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise RolloutRunningError(
                f"{self._told()} drives a rollout of this service; wait for its end or abort it"
            ) from error
        try:
            write_whole(self._holder, holder.encode())
            yield
        finally:
            lock.release()

    def read(self) -> dict[str, Any] | None:
        """See `Journal`."""
        return _read(self._state)

    def write(self, state: Mapping[str, Any]) -> None:
        """See `Journal`."""
        write_whole(self._state, json.dumps(state, indent=2).encode())

    def append(self, entry: Mapping[str, Any]) -> None:
        """See `Journal`."""
        _add_line(self.record, entry)

    def ask(self, request: Mapping[str, Any]) -> None:
        """See `Journal`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Several people may ask at once.
        with FileLock(self._folder / "requests.lock"):
            _add_line(self._requests, request)

    def asked(self) -> Sequence[dict[str, Any]]:
        """See `Journal`."""
        return _read_lines(self._requests)

    def entries(self) -> Sequence[dict[str, Any]]:
        """The rollout record, the oldest entry first."""
        return _read_lines(self.record)

    def _told(self) -> str:
        for _ in range(100):
            with suppress(FileNotFoundError):
                return self._holder.read_text()
            # It has the lock, and is about to say who it is.
            time.sleep(0.01)
        return "another process"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DeploymentError(f"{file} is not as we wrote it: {error}; move it away") from error


def _add_line(file: Path, entry: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as lines:
        # Whoever was killed in the middle of a line must not spoil the next one.
        if lines.tell() and not _ends_a_line(lines):
            lines.write(b"\n")
        lines.write(json.dumps(entry).encode() + b"\n")


def _read_lines(file: Path) -> list[dict[str, Any]]:
    """Every whole line; one that was cut off by a kill, or is being written, is none."""
    entries = []
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    for line in lines:
        with suppress(ValueError):
            if line.endswith(b"\n"):
                entries.append(dict(json.loads(line)))
    return entries


def _ends_a_line(record: BinaryIO) -> bool:
    record.seek(-1, os.SEEK_END)
    return record.read(1) == b"\n"
