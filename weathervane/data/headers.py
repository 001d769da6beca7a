"""What a JPEG, PNG or WebP says about its picture, read without decoding or inflating anything.

In: the bytes of a file. Out: a `Header`, within milliseconds whatever the bytes are. By hand: a
library's way to the size leads through ICC profiles, compressed texts and previews, each of which
a hostile file can make expensive, and Pillow allocates the canvas of a WebP, up to 2 GB.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from weathervane.errors import ImageError

# Segments or chunks that are no pixels. Cameras write a few dozen, or a few hundred with a depth
# map.
_MAX_PARTS = 1000
# Scans of a JPEG. Encoders write about ten into a progressive one. Each costs a pass over the whole
# picture, which a hostile file can ask for with twelve bytes.
MAX_SCANS = 32
# Texts and colour profiles of a PNG that libpng would inflate, each to 8 MB of its 8 kB.
MAX_INFLATED = 16
# Pixels come in chunks of 8 kB or more.
_LEAST_BYTES_OF_A_CHUNK = 4096

_END_OF_IMAGE, _START_OF_SCAN, _FIRST_WITH_LENGTH, _FILL = 0xD9, 0xDA, 0xC0, 0xFF
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # not tables, reserved, conditioning
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INFLATED = {b"zTXt", b"iTXt", b"iCCP"}
_WEBP_ANIMATED, _WEBP_EXIF, _WEBP_ALPHA = 0x02, 0x08, 0x10
_APP1, _EXIF, _ORIENTATION = 0xE1, b"Exif\0\0", 0x0112
_JPEG_COLOURS = {1: "grey", 4: "CMYK"}
_PNG_COLOURS = {0: "grey", 3: "palette", 4: "alpha", 6: "alpha"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says about its picture. Width and height are before any EXIF rotation."""

    format: str
    width: int
    height: int
    frames: int
    colour: str = "RGB"  # or grey, palette, alpha, CMYK
    bits: int = 8  # a channel
    orientation: int = 1  # EXIF's, 1 to 8


def read(name: str, data: bytes) -> Header:
    """Read the header of a file whose first bytes told that it is a ``name``.

    Raises:
        ImageError: when it is cut short, damaged, or of more parts than any picture needs.
    """
    try:
        return _PARSERS[name](data)
    except (ValueError, IndexError, struct.error) as error:
        raise ImageError(f"the header of this {name} is cut short or damaged") from error


def _jpeg(data: bytes) -> Header:
    """ITU-T T.81, annex B. Of files with several pictures (MPO) the first is meant."""
    width, height, components, progressive, at = 0, 0, 0, False, 2
    bits, orientation = 8, 1
    for _ in range(_MAX_PARTS):
        if data[at] != _FILL:
            raise ValueError("no marker")
        marker = data[at + 1]
        at += 1 if marker == _FILL else 2
        if marker < _FIRST_WITH_LENGTH or marker in _RESTARTS or marker == _FILL:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker == _START_OF_SCAN:
            break
        if marker == _END_OF_IMAGE or length < 2 or (components and marker in _FRAMES):
            raise ValueError(f"the marker {marker:x}")
        if marker in _FRAMES:
            bits, height, width, components = struct.unpack_from(">BHHB", data, at + 2)
            progressive = marker in _PROGRESSIVE
        elif marker == _APP1 and data[at + 2 : at + 8] == _EXIF and orientation == 1:
            orientation = _orientation(data[at + 8 : at + length])
        at += length
    else:
        raise ImageError(f"this JPEG has more than {_MAX_PARTS} segments: save it again")
    # With all components in one scan nothing that follows is decoded. Otherwise this may count too
    # many, in what comes after the picture, and never too few: pixels hold no such pair of bytes.
    if progressive or data[at + 2] != components:
        scans = 1 + data.count(bytes((_FILL, _START_OF_SCAN)), at)
        if scans > MAX_SCANS:
            raise ImageError(
                f"this JPEG has {scans} scans, at most {MAX_SCANS} are decoded: save it again"
            )
    return Header(
        format="JPEG",
        width=width,
        height=height,
        frames=1,
        colour=_JPEG_COLOURS.get(components, "RGB"),
        bits=bits,
        orientation=orientation,
    )


def _png(data: bytes) -> Header:
    """PNG, third edition, sections 5 and 11; an ``acTL`` before the pixels makes it animated."""
    if data[12:16] != b"IHDR":
        raise ValueError("the first chunk is another")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    at, frames, inflated, pixels, orientation = len(_PNG_SIGNATURE), 1, 0, False, 1
    for _ in range(_MAX_PARTS + len(data) // _LEAST_BYTES_OF_A_CHUNK):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            break
        pixels |= kind == b"IDAT"
        inflated += kind in _INFLATED
        if kind == b"eXIf":
            orientation = _orientation(data[at + 8 : at + 8 + length])
        if kind == b"acTL" and not pixels:
            (frames,) = struct.unpack_from(">I", data, at + 8)
        at += 12 + length
    else:
        raise ImageError("this PNG has more chunks than any picture needs: save it again")
    if inflated > MAX_INFLATED:
        raise ImageError(
            f"this PNG has {inflated} texts and colour profiles, at most {MAX_INFLATED} are read: "
            "save it without"
        )
    return Header(
        format="PNG",
        width=width,
        height=height,
        frames=frames,
        colour=_PNG_COLOURS.get(colour, "RGB"),
        bits=bits,
        orientation=orientation,
    )


def _webp(data: bytes) -> Header:
    """RFC 9649, sections 2.5 to 2.7."""
    chunk, frames, alpha, orientation = data[12:16], 1, False, 1
    if chunk == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        frames = max(1, data.count(b"ANMF")) if data[20] & _WEBP_ANIMATED else 1
        alpha = bool(data[20] & _WEBP_ALPHA)
        orientation = _webp_orientation(data) if data[20] & _WEBP_EXIF else 1
    elif chunk == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    elif chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        alpha = bool(bits >> 28 & 1)
    else:
        raise ValueError(f"unknown chunk {chunk!r}")
    return Header(
        format="WEBP",
        width=width,
        height=height,
        frames=frames,
        colour="alpha" if alpha else "RGB",
        orientation=orientation,
    )


def _webp_orientation(data: bytes) -> int:
    at = 12
    for _ in range(_MAX_PARTS):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == b"EXIF":
            return _orientation(data[at + 8 : at + 8 + length].removeprefix(_EXIF))
        at += 8 + length + length % 2
        if at >= len(data):
            break
    return 1


def _orientation(exif: bytes) -> int:
    """The orientation in the first directory of a TIFF (TIFF 6.0, section 2); 1 when none is told.

    It only turns the picture: what cannot be read is no reason to refuse it.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(min(entries, _MAX_PARTS)):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, at + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value if value in range(1, 9) else 1
    except struct.error:
        pass
    return 1


_PARSERS: dict[str, Callable[[bytes], Header]] = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}
