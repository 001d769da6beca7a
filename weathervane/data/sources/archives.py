"""Archives of pictures, hostile until proven otherwise: a zip or tar in, a new folder out.

The first pass reads what the archive says that it holds, and writes nothing; only when all of that
may be unpacked, a second one unpacks it, no byte more than was said, into a folder that appears
when it is whole.
"""

import bz2
import gzip
import io
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from weathervane.data.sources.entries import MAX_ENTRIES, Entry, Refused, clean_path, inspect
from weathervane.data.sources.tar import read_tar
from weathervane.errors import DataError
from weathervane.folders import new_folder

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2")

_READ_BYTES = 1024 * 1024
# A zip's table of contents is read in one piece: room for paths of some hundred bytes.
_MAX_ZIP_TABLE_BYTES = MAX_ENTRIES * 160
_ENCRYPTED = 0x1
_TAR_MAGIC = slice(257, 262)
_OTHERS = {b"\xfd7zXZ\0": "xz", b"7z\xbc\xaf": "7z", b"Rar!": "rar", b"\x28\xb5\x2f\xfd": "zstd"}
# What the libraries raise about content that is not as it should be.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, ValueError, NotImplementedError),
)

_Read = Callable[[IO[bytes]], Iterator[Entry]]


def unpack(archive: Path, out: Path) -> Path:
    """Unpack the pictures of ``archive`` into the new folder ``out``.

    Returns:
        The folder of class folders: ``out``, or the only folder in it when that holds folders.

    Raises:
        DataError: when it is no archive that is read here, is damaged, or holds anything that an
            archive of pictures has no need of: paths that lead elsewhere, links, devices, names
            that are one on some systems, far more content than size.
        UsageError: when ``out`` is there and is not empty.
    """
    try:
        with archive.open("rb") as file, new_folder(out) as folder:
            read = _reader(file)
            wanted = inspect(read(file), archive.stat().st_size)
            size, free = sum(wanted.values()), shutil.disk_usage(folder).free
            if size > free:
                raise DataError(f"{archive} unpacks to {size} bytes, {free} are free at {out}")
            _write(read(file), wanted, folder)
    except Refused as error:
        raise DataError(f"{archive} is not unpacked: {error}") from error
    except _DAMAGE as error:
        raise DataError(
            f"{archive} is not unpacked: it is damaged or cut short ({error})"
        ) from error
    except OSError as error:
        # Decompressors have errors of the system's kind, without its number.
        told = error.strerror or f"it is damaged or cut short ({error})"
        raise DataError(f"cannot unpack {archive}: {told}") from error
    return _without_wrapper(out)


def _write(entries: Iterator[Entry], wanted: dict[str, int], folder: Path) -> None:
    left = dict(wanted)
    for entry in entries:
        path = clean_path(entry.name).as_posix()
        if entry.is_folder or path not in wanted:
            continue
        if left.pop(path, None) != entry.size:
            raise Refused("it changed while it was read")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.writelines(entry.content)
    if left:
        raise Refused("it changed while it was read")


def _without_wrapper(out: Path) -> Path:
    """The one folder in which some archives keep everything, if it is one of class folders."""
    inside = list(out.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and any(one.is_dir() for one in inside[0].iterdir()):
        return inside[0]
    return out


def _reader(file: IO[bytes]) -> _Read:
    """How this archive is read: its first bytes decide, whatever it is called."""
    start = file.read(_TAR_MAGIC.stop)
    if start.startswith(b"PK"):
        return _read_zip
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            raise Refused(f"{name} is not read; pack the pictures as zip, tar or tar.gz")
    if start.startswith(b"\x1f\x8b"):
        return lambda packed: _read_packed_tar(packed, gzip.GzipFile(fileobj=packed))
    if start.startswith(b"BZh"):
        return lambda packed: _read_packed_tar(packed, bz2.BZ2File(packed))
    if start[_TAR_MAGIC] != b"ustar":
        raise Refused("it is no zip or tar")
    return _read_plain_tar


def _read_plain_tar(file: IO[bytes]) -> Iterator[Entry]:
    file.seek(0)
    return read_tar(file)


def _read_packed_tar(file: IO[bytes], inflated: gzip.GzipFile | bz2.BZ2File) -> Iterator[Entry]:
    file.seek(0)
    with inflated:
        yield from read_tar(cast(IO[bytes], inflated))


def _read_zip(file: IO[bytes]) -> Iterator[Entry]:
    file.seek(0)
    with zipfile.ZipFile(cast(IO[bytes], _Sparing(file))) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            # Zips of other systems than Unix tell no kind.
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise Refused(f"{info.filename!r} is a link, a device or a pipe")
            if info.flag_bits & _ENCRYPTED:
                raise Refused(f"{info.filename!r} is encrypted")
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise Refused(f"{info.filename!r} is compressed in a way that is not read")
            yield Entry(
                name=info.filename,
                size=info.file_size,
                is_folder=info.is_dir(),
                content=_zip_content(opened, info),
            )


def _zip_content(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with opened.open(info) as content:
        while part := content.read(_READ_BYTES):
            yield part


class _Sparing(io.BufferedIOBase):
    """A file of which nothing is read in one piece that is larger than a zip's table may be."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_ZIP_TABLE_BYTES:
            raise Refused(f"it holds over {MAX_ENTRIES} entries; use a folder")
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
