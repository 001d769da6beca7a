"""A file that is there whole or not at all, whenever a process is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write, which takes ``path``'s place at the end; makes a missing folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    yield part
    part.replace(path)


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, replacing what was there; makes the folder when it is missing."""
    with replacing(path) as part:
        part.write_bytes(data)
