"""The entries of a tar, one header block after the other: a stream in, names and contents out.

By hand, in bounded memory and time: Python's own reader takes extended headers of any size into
memory, and reads maps of sparse files in time that grows with their square. The format is POSIX
ustar with pax headers and GNU's long names:
https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13
"""

from collections.abc import Iterator
from typing import IO

from weathervane.data.sources.entries import Entry, Refused

_BLOCK = 512
_READ_BYTES = 1024 * 1024
_MAX_HEADER_BYTES = 64 * 1024  # of a long name or a pax header
_FILES, _FOLDER, _PAX, _PAX_FOR_ALL, _LONG_NAME, _LONG_LINK = (
    b"0\0007",
    b"5",
    b"x",
    b"g",
    b"L",
    b"K",
)
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}


def read_tar(stream: IO[bytes]) -> Iterator[Entry]:
    """Yield each entry; its content must be read before the next one is asked for, or is skipped.

    Raises:
        Refused: for links, devices, pipes, sparse files, and headers that are damaged.
    """
    name, size = None, None  # from extended headers, for the entry that follows
    while any(header := _exactly(stream, _BLOCK)):
        if _number(header[148:156]) != sum(header) - sum(header[148:156]) + 8 * ord(" "):
            raise Refused("it is damaged: a header's checksum is wrong")
        kind, length = header[156:157], _number(header[124:136])
        if kind in (_PAX, _PAX_FOR_ALL, _LONG_NAME, _LONG_LINK):
            text = _extended(stream, length)
            if kind == _LONG_NAME:
                name = _text(text)
            elif kind == _PAX:
                values = _pax(text)
                name, size = values.get("path", name), values.get("size")
            continue
        name = name or _ustar_name(header)
        if kind in _REFUSED:
            raise Refused(f"{name!r} is {_REFUSED[kind]}")
        if kind != _FOLDER and kind not in _FILES:
            raise Refused(f"{name!r} is of a kind that is not read ({kind!r})")
        if size is not None:
            length = int(size) if size.isdecimal() else -1
        if length < 0:
            raise Refused(f"{name!r} has no size")
        content = _content(stream, length)
        is_folder = kind == _FOLDER or name.endswith("/")
        yield Entry(name=name, size=length, is_folder=is_folder, content=content)
        for _ in content:
            pass
        _exactly(stream, -length % _BLOCK)
        name = size = None


def _content(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        part = _exactly(stream, min(size, _READ_BYTES))
        size -= len(part)
        yield part


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise Refused("it is cut short")
    return data


def _extended(stream: IO[bytes], size: int) -> bytes:
    if not 0 <= size <= _MAX_HEADER_BYTES:
        raise Refused(f"a header of {size} bytes is too long")
    text = _exactly(stream, size)
    _exactly(stream, -size % _BLOCK)
    return text


def _pax(text: bytes) -> dict[str, str]:
    """Records of a length, a space, key=value and a line feed; the length counts all of it."""
    values = {}
    while text:
        length, _, _ = text.partition(b" ")
        if not (length.isdigit() and len(length) < 8 and len(length) < int(length) <= len(text)):
            raise Refused("it is damaged: a pax header that is none")
        record, text = text[len(length) + 1 : int(length)], text[int(length) :]
        key, _, value = record.rstrip(b"\n").partition(b"=")
        if key.startswith(b"GNU.sparse"):
            raise Refused("it holds a sparse file")
        values[_text(key)] = _text(value)
    return values


def _ustar_name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    # In GNU's own variant this place holds times.
    return f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name


def _number(field: bytes) -> int:
    """An octal number; -1 for anything else, such as GNU's binary one beyond 8 GiB."""
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and set(digits) <= set(b"01234567") else -1


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode(errors="surrogateescape")
