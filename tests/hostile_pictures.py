"""Pictures made to hurt a decoder, and pictures damaged at random; all made here."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
# What a body of 8 MiB has room for.
_BYTES = 8_000_000
_INFLATES_TO_8_MB = zlib.compress(bytes(7_900_000), 9)


def saved(image: Image.Image, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png(width: int, height: int, before: bytes = b"", pixels: bytes = b"", bits: int = 8) -> bytes:
    """A PNG of those chunks; nobody checks that they make a picture of that size."""
    head = struct.pack(">IIBBBBB", width, height, bits, 2 if bits == 8 else 0, 0, 0, 0)
    return _PNG + chunk(b"IHDR", head) + before + pixels + chunk(b"IEND", b"")


def small() -> Image.Image:
    """64 by 48 soft pixels."""
    cells = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((64, 48), Image.Resampling.BILINEAR)


def _pixels() -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(64 * (64 * 3 + 1))))


def _large_png() -> bytes:
    """900 million pixels, all there: 110 kB."""
    packer = zlib.compressobj(9)
    row = bytes(1 + 30_000 // 8)
    packed = b"".join(packer.compress(row * 1000) for _ in range(30)) + packer.flush()
    return png(30_000, 30_000, pixels=chunk(b"IDAT", packed), bits=1)


def _jpeg_that_claims(width: int, height: int) -> bytes:
    data = bytearray(saved(small(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _webp_that_claims(width: int, height: int) -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4)
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan, of twelve bytes, comes again and again."""
    data = saved(Image.new("RGB", (256, 256), "grey"), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def _with_segments(segment: bytes, count: int) -> bytes:
    data = saved(small(), "JPEG")
    return data[:2] + segment * count + data[2:]


def large_jpeg() -> bytes:
    """A JPEG of 7 MB, as a phone makes them: 12 megapixels."""
    noise = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    soft = Image.fromarray(noise).resize((2000, 1500), Image.Resampling.BOX).resize((4000, 3000))
    return saved(soft, "JPEG", quality=92)


def animated(kind: str, frames: int = 2) -> bytes:
    pictures = [small().rotate(number) for number in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:])


# What each must be refused for: a fault of `weathervane.data.images.FAULTS`.
BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "PNG of 900 megapixels": ("large", _large_png),
    "PNG of 2**31 by 2**31": ("large", lambda: png(2**31 - 1, 2**31 - 1, pixels=_pixels())),
    "JPEG of 65500 by 65500": ("large", lambda: _jpeg_that_claims(65_500, 65_500)),
    "WebP of 2**24 by 2**24": ("large", lambda: _webp_that_claims(2**24, 2**24)),
    "JPEG without a height": ("small", lambda: _jpeg_that_claims(64, 0)),
    "JPEG of 100,000 scans": ("damaged", lambda: many_scans(100_000)),
    "JPEG of 2 million comments": (
        "damaged",
        lambda: _with_segments(b"\xff\xfe\x00\x02", _BYTES // 4),
    ),
    "JPEG of 8 million fill bytes": ("damaged", lambda: _with_segments(b"\xff", _BYTES)),
    "PNG of 1,000 compressed texts": (
        "damaged",
        lambda: png(
            64, 64, before=chunk(b"zTXt", b"k\0\0" + _INFLATES_TO_8_MB) * 1000, pixels=_pixels()
        ),
    ),
    "PNG of 1,000 compressed texts behind its pixels": (
        "damaged",
        lambda: png(
            64, 64, pixels=_pixels() + chunk(b"iTXt", b"k\0\1\0\0\0" + _INFLATES_TO_8_MB) * 1000
        ),
    ),
    "PNG of 500,000 chunks": (
        "damaged",
        lambda: png(64, 64, before=chunk(b"tEXt", b"k\0v") * (_BYTES // 15), pixels=_pixels()),
    ),
    "PNG whose pixels come byte by byte": (
        "damaged",
        lambda: png(64, 64, pixels=chunk(b"IDAT", b"\x00") * (_BYTES // 13)),
    ),
    "PNG of 2**31 frames": (
        "animated",
        lambda: png(64, 64, before=chunk(b"acTL", struct.pack(">II", 2**31, 0)), pixels=_pixels()),
    ),
    "PNG of 2 frames": ("animated", lambda: animated("PNG")),
    "WebP of 100 frames": ("animated", lambda: animated("WEBP", 100)),
}


def mutated(originals: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Endless damage: bits, bytes, runs, cuts, repeats and splices, one to eight at a time."""
    rng = np.random.default_rng(seed)
    while True:
        data = bytearray(originals[rng.integers(len(originals))])
        for _ in range(rng.integers(1, 9)):
            if len(data) < 2:
                break
            start, end = sorted(rng.integers(0, len(data), 2))
            match rng.integers(7):
                case 0:
                    data[start] ^= 1 << rng.integers(8)
                case 1:
                    data[start] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
                case 2:
                    data[start : start + 4] = rng.bytes(4)
                case 3:
                    del data[start:]
                case 4:
                    del data[start : min(end, start + 64)]
                case 5:
                    data[start:start] = data[start : min(end, start + 64)]
                case 6:
                    other = originals[rng.integers(len(originals))]
                    data[start:] = other[start:]
        yield bytes(data)
