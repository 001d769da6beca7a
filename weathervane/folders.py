"""Folders that appear whole or not at all, and folders of runs that do not pile up.

In: where a folder shall be. Out: a temporary folder beside it to write into, renamed at the end, so
that a killed writer leaves nothing that looks complete.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from weathervane.errors import UsageError

# Runs of a pipeline or of the demo that stay readable; a run takes some ten megabytes.
_RUNS_KEPT = 20
# How a run's folder is called: by its time, first of all.
_RUN = re.compile(r"\d{8}-\d{6}(-[0-9a-f]{4})?")


def forget_old_runs(parent: Path, keep: int = _RUNS_KEPT) -> None:
    """Remove the oldest folders of runs in ``parent`` but for the newest ``keep``; nothing else."""
    if not parent.is_dir():
        return
    runs = sorted(path for path in parent.iterdir() if _RUN.fullmatch(path.name))
    for path in runs[: max(0, len(runs) - keep)]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def growing_folder(out: Path, key: str) -> Iterator[Path]:
    """Like `new_folder`, but what a killed or interrupted process leaves is there for the next.

    Args:
        out: the folder to be.
        key: what the work is named by; only the same work goes on in what is there.

    Raises:
        UsageError: when ``out`` is there already and is not empty, or another process fills it.
    """
    _require_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.parent / f".{out.name}.growing-{key}"
    # The system lets go of the lock of a process that ends, however it ends.
    lock = FileLock(f"{partial}.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"another process is making {out}; wait for it") from error
    try:
        partial.mkdir(exist_ok=True)
        yield partial
        _put(partial, out)
    except Exception:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if not partial.exists():
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder to fill; on a clean exit it becomes ``out``, on an error it is removed.

    Raises:
        UsageError: when ``out`` is there already and is not an empty folder: nothing of a user's
            is ever overwritten.
    """
    _require_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.parent / f".{out.name}.partial-{uuid4().hex[:8]}"
    partial.mkdir()
    try:
        yield partial
        _put(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def emptied(out: Path) -> Path:
    """``out``, without what an earlier try of the same step left there, whole or not.

    For what belongs to a step of a pipeline; never for a folder that a person named.
    """
    if out.exists():
        # Nobody may see it go piece by piece.
        out.rename(out.parent / f".{out.name}.partial-{uuid4().hex[:8]}")
    for left in out.parent.glob(f".{escape(out.name)}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)
    return out


def _require_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise _taken(out)


def _put(partial: Path, out: Path) -> None:
    try:
        os.rename(partial, out)  # noqa: PTH104 - replaces an empty folder, never a full one
    except OSError as error:
        if out.exists():
            raise _taken(out) from error
        raise


def _taken(out: Path) -> UsageError:
    return UsageError(f"{out} exists and is not an empty folder; name a new one or remove it")
