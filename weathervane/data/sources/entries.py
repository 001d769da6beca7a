"""What an archive says that it holds, and whether that may be unpacked. Nothing is written here.

In: entries, one after the other. Out: the files to unpack, or why the whole archive is refused.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_ENTRIES = 100_000
# As much as the scan reads of one file.
_MAX_FILE_BYTES = 128 * 1024 * 1024
# Pictures are compressed already: an archive of them is about as large as they are. Padding and
# flat drawings make it more.
_MAX_RATIO = 100
_ALLOWANCE_BYTES = 1024 * 1024
_MAX_NAME_BYTES, _MAX_PATH_BYTES, _MAX_PARTS = 255, 1024, 20


class Refused(Exception):  # noqa: N818 - what it is about an archive, not about us
    """Why an archive is not unpacked; `archives.unpack` makes a `DataError` of it."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or a folder, as the archive says."""

    name: str
    size: int  # bytes, unpacked
    is_folder: bool
    content: Iterator[bytes]


def inspect(entries: Iterable[Entry], packed_bytes: int) -> dict[str, int]:
    """The files to unpack, by clean path, with their sizes; hidden ones are left out.

    Raises:
        Refused: when a name leads elsewhere or two names would be one file on some system; when
            the content is much more than the archive's ``packed_bytes`` explain, or there is too
            much of it.
    """
    kinds: dict[str, tuple[str, bool]] = {}  # by folded path: the path, and whether a folder
    wanted: dict[str, int] = {}
    total, allowed = 0, _ALLOWANCE_BYTES + _MAX_RATIO * packed_bytes
    for number, entry in enumerate(entries, start=1):
        if number > MAX_ENTRIES:
            raise Refused(f"it holds over {MAX_ENTRIES} entries; use a folder")
        path = clean_path(entry.name)
        if entry.size > _MAX_FILE_BYTES:
            raise Refused(
                f"{entry.name!r} has {entry.size >> 20} MiB, no picture over "
                f"{_MAX_FILE_BYTES >> 20} is read"
            )
        total += entry.size
        if total > allowed:
            raise Refused(
                f"it unpacks to over {_MAX_RATIO} times its size: pictures do not, bombs do"
            )
        _claim(path, entry.is_folder, kinds)
        if not entry.is_folder and not _is_hidden(path):
            wanted[path.as_posix()] = entry.size
    return wanted


def clean_path(name: str) -> PurePosixPath:
    """The path inside the new folder that an entry's name means.

    Raises:
        Refused: when it leads out of it, or is no name that every system can have.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or name[1:3] in (":/", ":\\"):
        raise Refused(f"{name!r} is an absolute path")
    if ".." in path.parts:
        raise Refused(f"{name!r} leads out of the folder")
    if "\\" in name or any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
        raise Refused(f"{name!r} has a sign that names must not have")
    longest = max((len(part.encode(errors="surrogateescape")) for part in path.parts), default=0)
    whole = len(name.encode(errors="surrogateescape"))
    if longest > _MAX_NAME_BYTES or whole > _MAX_PATH_BYTES or len(path.parts) > _MAX_PARTS:
        raise Refused(f"{name[:60]!r}… is too long a path")
    return path


def _claim(path: PurePosixPath, is_folder: bool, kinds: dict[str, tuple[str, bool]]) -> None:
    """Note a path and the folders above it, so that nothing else can be where they are."""
    above = [parent for parent in path.parents if parent.parts]
    for each, kind in ((path, is_folder), *((parent, True) for parent in above)):
        if not each.parts:
            continue
        claim = (each.as_posix(), kind)
        before = kinds.setdefault(_folded(claim[0]), claim)
        if before != claim or (each == path and not is_folder and before is not claim):
            raise Refused(f"{claim[0]!r} and {before[0]!r} would be the same file")


def _folded(path: str) -> str:
    """What file systems that ignore case and composition see."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _is_hidden(path: PurePosixPath) -> bool:
    return path.parts[0] == "__MACOSX" or any(part.startswith(".") for part in path.parts)
