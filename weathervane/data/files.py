"""Files that are there whole or not at all, whenever a process is killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, replacing what was there; makes the folder when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


@contextmanager
def folder_whole(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``folder`` to fill, which then takes its place and name.

    What was at ``folder`` goes away only when the new one is complete.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
