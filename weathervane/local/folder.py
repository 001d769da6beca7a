"""The state folder: made, found to have room, and held by one command at a time.

In: where it shall be. Out: a folder to work in, or one clear line about why not.
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from weathervane.errors import PlatformError

# Longer than another command takes to bring the whole platform up.
_LOCK_SECONDS = 180.0
# MLflow's database, logs, and packages for the predictors.
_MEBIBYTES = 200


@contextmanager
def claimed(state: Path) -> Iterator[None]:
    """Make the folder, and keep other commands from starting and stopping things in it meanwhile.

    Raises:
        PlatformError: when it cannot be made or written, now or inside, the disk is full, or
            another command does not let go of it.
    """
    with _plainly(state):
        # It will hold keys and pictures.
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            held = FileLock(state / "platform.lock", timeout=_LOCK_SECONDS).acquire()
        except Timeout as error:
            raise PlatformError(
                f"another command starts or stops the platform in {state}; try again when it is "
                "done"
            ) from error
        with held:
            yield


def check_room(state: Path) -> None:
    """Check before anything starts: servers that meet a full disk die in many ways.

    Raises:
        PlatformError: when there is too little.
    """
    free = shutil.disk_usage(state).free // 1024**2
    if free < _MEBIBYTES:
        raise PlatformError(
            f"no room left on the disk: {free} MiB are free in {state}, the platform needs "
            f"{_MEBIBYTES}"
        )


@contextmanager
def _plainly(state: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            where = error.filename or state
            raise PlatformError(f"no room left on the disk for {where}") from error
        if error.filename is None:
            raise
        raise PlatformError(
            f"cannot use {error.filename}: {error.strerror}; let WEATHERVANE_STATE name a folder "
            "that can be written"
        ) from error
