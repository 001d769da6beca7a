"""What a training need not do twice: features by picture, and how far a training has come.

A folder, which any number of processes may share and anybody may remove:

    features/<backbone>/<sha256>.npy   of one picture, by what the backbone computes
    progress/<training>.npz            of a training that has not ended, by all that determines it
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Backbones and unfinished trainings that are kept: those that were used last.
_KEPT = 8


@dataclass(frozen=True)
class Cache:
    """The folder; None: nothing is kept."""

    folder: Path | None

    @staticmethod
    def at(folder: Path, progress: Callable[[str], None] = lambda line: None) -> "Cache":
        """The cache in ``folder``; a folder that cannot be written costs time, no training."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".writable").touch()
        except OSError as error:
            progress(f"nothing is kept for later: cannot write {folder}: {error.strerror}")
            return Cache(None)
        return Cache(folder)

    def features(self, backbone: str) -> Path | None:
        """A folder for the features that ``backbone`` (a digest) gives."""
        if self.folder is None:
            return None
        folder = self.folder / "features" / backbone
        folder.mkdir(parents=True, exist_ok=True)
        folder.touch()
        _forget(folder.parent)
        return folder

    def progress(self, training: str) -> Path | None:
        """A file for the state of ``training`` (a digest of all that determines it)."""
        if self.folder is None:
            return None
        parent = self.folder / "progress"
        parent.mkdir(parents=True, exist_ok=True)
        _forget(parent)
        return parent / f"{training}.npz"


def _forget(parent: Path) -> None:
    """Remove what was not used for longest."""
    used = sorted(parent.iterdir(), key=_last_use, reverse=True)
    for path in used[_KEPT:]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process has just put it away
        return 0.0
