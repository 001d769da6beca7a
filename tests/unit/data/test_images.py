"""The one decoder: what it refuses, and that what it accepts comes out the same."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from weathervane.data import images
from weathervane.errors import ImageError


def saved(image: Image.Image, kind: str, **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


@pytest.fixture
def soft(draw):
    return Image.fromarray(draw(1, 64, 48))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose pixels are missing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", images.FORMATS)
def test_every_format_is_read_with_its_size(kind, soft):
    data = saved(soft, kind)

    assert images.read_header(data) == images.Header(format=kind, width=64, height=48, frames=1)
    assert np.abs(images.decode(data).astype(int) - np.asarray(soft)).mean() < 5


@pytest.mark.parametrize(("kind", "settings"), [("WEBP", {"lossless": True}), ("PNG", {})])
def test_what_is_stored_without_loss_is_decoded_without_loss(kind, settings, soft):
    assert np.array_equal(images.decode(saved(soft, kind, **settings)), np.asarray(soft))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *(("L", "JPEG"), ("CMYK", "JPEG"), ("LA", "PNG"), ("RGBA", "PNG")),
        *(("RGBA", "WEBP"), ("P", "PNG"), ("1", "PNG"), ("I;16", "PNG")),
    ],
)
def test_other_kinds_of_pixels_become_8_bit_rgb(mode, kind, soft):
    if mode == "I;16":
        grey = np.asarray(soft.convert("L")).astype(np.uint16)
        data = saved(Image.fromarray(grey * 257), kind)
    else:
        data = saved(soft.convert(mode), kind)

    picture = images.decode(data)

    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    if mode != "1":
        grey = np.asarray(soft.convert("L")).astype(int)
        assert np.abs(picture.mean(axis=2) - grey).mean() < 25


def test_exif_turns_the_picture(soft):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns
    turned = saved(soft.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)

    picture = images.decode(turned)

    assert images.read_header(turned).width == 48
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture.astype(int) - np.asarray(soft)).mean() < 5


def frames(kind: str, image: Image.Image) -> bytes:
    other = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return saved(image, kind, save_all=True, append_images=[other])


@pytest.mark.parametrize(
    ("fault", "says", "data"),
    [
        ("empty", "empty", lambda _: b""),
        ("pointer", "git lfs pull", lambda _: b"version https://git-lfs.github.com/spec/v1\noid"),
        ("unknown", "not a picture", lambda _: b"hello, this is text"),
        ("unknown", "not a picture", lambda _: b"RIFF"),
        ("format", "GIF", lambda image: saved(image, "GIF")),
        ("format", "BMP", lambda image: saved(image, "BMP")),
        ("format", "TIFF", lambda image: saved(image, "TIFF")),
        ("format", "HEIC", lambda _: b"\x00\x00\x00\x18ftypheic" + bytes(99)),
        ("format", "AVIF", lambda _: b"\x00\x00\x00\x18ftypavif" + bytes(99)),
        ("animated", "2 frames", lambda image: frames("WEBP", image)),
        ("animated", "2 frames", lambda image: frames("PNG", image)),
        ("small", "31x33", lambda image: saved(image.resize((31, 33)), "PNG")),
        ("large", "30000x30000", lambda _: png_that_claims(30_000, 30_000)),
        ("damaged", "PNG", lambda _: png_that_claims(64, 64)),
        ("damaged", "JPEG", lambda image: saved(image, "JPEG")[:-200]),
        ("damaged", "PNG", lambda image: saved(image, "PNG")[:-200]),
        ("damaged", "WEBP", lambda image: saved(image, "WEBP")[:-100]),
        ("damaged", "JPEG", lambda _: b"\xff\xd8\xff\xe0"),
        ("damaged", "WEBP", lambda _: b"RIFF\x20\x00\x00\x00WEBPVP8 "),
    ],
)
def test_what_is_not_read_is_named(fault, says, data, soft):
    with pytest.raises(ImageError, match=says) as refused:
        images.decode(data(soft))

    assert refused.value.fault == fault
    assert fault in images.FAULTS


@pytest.mark.parametrize(
    ("width", "height", "fault"),
    [(32, 32, None), (1024, 1, None), (31, 32, "small"), (4200, 4000, None), (4200, 4001, "large")],
)
def test_size_is_bounded_by_area(width, height, fault):
    header = images.Header(format="JPEG", width=width, height=height, frames=1)

    if fault is None:
        images.check(header)
    else:
        with pytest.raises(ImageError) as refused:
            images.check(header)
        assert refused.value.fault == fault


def test_flipped_bytes_never_do_worse_than_an_image_error(soft):
    rng = np.random.default_rng(0)
    originals = [np.frombuffer(saved(soft, kind), np.uint8) for kind in images.FORMATS]
    outcomes = {"decoded": 0, "refused": 0}
    for _ in range(300):
        data = originals[rng.integers(3)].copy()
        data[rng.integers(len(data), size=rng.integers(1, 9))] ^= rng.integers(
            1, 256, dtype=np.uint8
        )
        try:
            assert images.decode(data.tobytes()).dtype == np.uint8
            outcomes["decoded"] += 1
        except ImageError:
            outcomes["refused"] += 1

    assert min(outcomes.values()) > 20


def test_shrinking_averages_areas():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[::2] = 200

    assert np.unique(images.resize(picture, 32)).tolist() == [100]


def test_growing_gives_a_square_and_invents_no_colour(draw):
    picture = draw(3, 20, 40)
    large = images.resize(picture, 96)

    assert large.shape == (96, 96, 3)
    assert picture.min() <= large.min() <= large.max() <= picture.max()
