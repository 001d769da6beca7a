"""The one decoder and the one preprocessing: an encoded picture in, pixels out.

Training, evaluation and serving all come through here, so a model sees the same pixels everywhere.
A change of what `decode` or `resize` gives needs a new `PREPROCESSING`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data import headers
from weathervane.data.headers import Header
from weathervane.errors import ImageError

Picture = NDArray[np.uint8]  # [height, width, 3], RGB

FORMATS = ("JPEG", "PNG", "WEBP")
PREPROCESSING = "1"

# Bounds of a picture's area. Below, there is nothing to recognise. At the upper one, decoding takes
# 100 MB of memory, and 150 MB for a progressive JPEG without subsampling.
MIN_PIXELS = 32 * 32
MAX_PIXELS = 16_800_000

FAULTS = (
    "empty",  # no bytes
    "pointer",  # a Git LFS pointer in place of the file
    "format",  # a picture of a format that is not read
    "unknown",  # not a picture that we know
    "animated",  # several frames
    "small",
    "large",
    "damaged",  # cut short or altered
)

# What ISO media files (HEIC, AVIF) call themselves, at offset 8.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
_MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\x00\x00\x01\x00": "ICO",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"<svg": "SVG",
}
_POINTER = b"version https://git-lfs"


def identify(data: bytes) -> str | None:
    """Name the format that the first bytes tell, whatever the file is called; None if unknown."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        return _BRANDS[data[8:12]]
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)


def read_header(data: bytes) -> Header:
    """Read format, size and frames without decoding a pixel.

    Raises:
        ImageError: for no bytes, a Git LFS pointer, another format, or a damaged header.
    """
    if not data:
        raise ImageError("the file is empty", "empty")
    if data.startswith(_POINTER):
        raise ImageError("this is a Git LFS pointer: run `git lfs pull` to get the file", "pointer")
    name = identify(data)
    if name is None:
        raise ImageError(f"not a picture: {', '.join(FORMATS)} are read", "unknown")
    if name not in FORMATS:
        raise ImageError(f"{name} is not read: convert it to JPEG or PNG", "format")
    return headers.read(name, data)


def check(header: Header) -> None:
    """Refuse what is never decoded: several frames, too many pixels, too few.

    Raises:
        ImageError: with the figure and its bound.
    """
    size = f"{header.width}x{header.height}"
    if header.frames > 1:
        raise ImageError(f"{header.frames} frames: send one still picture", "animated")
    if header.width * header.height > MAX_PIXELS:
        bound = f"at most {MAX_PIXELS / 1e6:.1f} megapixels"
        raise ImageError(f"{size} is too large: {bound} are decoded", "large")
    if header.width * header.height < MIN_PIXELS:
        bound = f"at least {MIN_PIXELS} pixels, such as 32x32,"
        raise ImageError(f"{size} is too small: {bound} are needed", "small")


@contextmanager
def one_thread_a_picture() -> Iterator[None]:
    """Keep OpenCV from splitting a picture over cores that all have a picture already."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def decode(data: bytes) -> Picture:
    """Decode a picture to 8-bit RGB [height, width, 3], turned as its EXIF orientation says.

    Grey, palette, 16-bit and CMYK pictures become 8-bit RGB; an alpha channel is dropped. Nothing
    is allocated for pixels before the header has passed `check`.

    Raises:
        ImageError: with the reason.
    """
    header = read_header(data)
    check(header)
    try:
        picture: Picture | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise ImageError(f"this {header.format} is damaged: {error.err}") from error
    if picture is None:
        raise ImageError(f"this {header.format} is cut short or damaged")
    # A file that lies about its size gets no further.
    if sorted(picture.shape[:2]) != sorted((header.width, header.height)):
        raise ImageError(f"this {header.format} is not of the size that its header says")
    return picture


def resize(picture: Picture, size: int) -> Picture:
    """Squash the whole picture into a square of ``size`` pixels a side.

    Areas are averaged when both sides shrink (or stay), and interpolated linearly otherwise. The
    aspect is not kept: weather fills a picture, and cropping would lose sky or ground.
    """
    shrinks = min(picture.shape[:2]) >= size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: Picture = cv2.resize(picture, (size, size), interpolation=method)
    return resized


def load(data: bytes, size: int) -> Picture:
    """Decode and resize: the pixels [size, size, 3] that a model sees.

    Raises:
        ImageError: with the reason.
    """
    return resize(decode(data), size)
