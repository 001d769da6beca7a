"""The one decoder: what it refuses, and that what it accepts comes out the same."""

import zlib
from itertools import islice

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.hostile_pictures import (
    BOMBS,
    animated,
    chunk,
    many_scans,
    mutated,
    png,
    saved,
)
from weathervane.data import headers, images
from weathervane.errors import ImageError


@pytest.fixture
def soft(draw):
    return Image.fromarray(draw(1, 64, 48))


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


@pytest.mark.parametrize("scans", [0, headers.MAX_SCANS - 10])
def test_a_progressive_jpeg_of_an_encoder_is_read(scans):
    # Ten are its own.
    assert images.decode(many_scans(scans)).shape == (256, 256, 3)


def test_more_scans_than_any_encoder_writes_are_refused():
    with pytest.raises(ImageError, match="33 scans, at most 32"):
        images.decode(many_scans(headers.MAX_SCANS - 9))


@pytest.mark.parametrize("texts", [headers.MAX_INFLATED, headers.MAX_INFLATED + 1])
def test_a_png_may_carry_a_few_texts_and_its_colour_profile(texts, soft):
    plain = saved(soft, "PNG")
    at = plain.index(b"IDAT") - 4
    data = plain[:at] + chunk(b"zTXt", b"k\0\0" + zlib.compress(b"text")) * texts + plain[at:]

    if texts > headers.MAX_INFLATED:
        with pytest.raises(ImageError, match="17 texts and colour profiles"):
            images.decode(data)
    else:
        assert np.array_equal(images.decode(data), np.asarray(soft))


def test_of_a_file_with_several_jpegs_the_first_is_meant(soft):
    other = soft.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    several = saved(soft, "MPO", save_all=True, append_images=[other])

    assert images.read_header(several).frames == 1
    assert np.array_equal(images.decode(several), images.decode(saved(soft, "JPEG")))


@pytest.mark.parametrize("kind", images.FORMATS)
@pytest.mark.parametrize("rest", [b"PK\x05\x06" + bytes(18), b"<script>alert(1)</script>"])
def test_what_follows_a_picture_is_not_looked_at(kind, rest, soft):
    data = saved(soft, kind)

    assert np.array_equal(images.decode(data + rest), images.decode(data))


def test_a_gif_that_goes_on_as_a_jpeg_is_a_gif(soft):
    with pytest.raises(ImageError, match="GIF is not read"):
        images.decode(b"GIF89a" + saved(soft, "JPEG"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_ends_upright(orientation, soft):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = next(
        turned
        for method in (None, *Image.Transpose)
        for turned in [soft.transpose(method) if method is not None else soft]
        if np.array_equal(ImageOps.exif_transpose(_with_orientation(turned, orientation)), soft)
    )

    picture = images.decode(saved(stored, "JPEG", exif=exif, quality=95))

    assert np.abs(picture.astype(int) - np.asarray(soft)).mean() < 5


def _with_orientation(image: Image.Image, orientation: int) -> Image.Image:
    copy = image.copy()
    copy.getexif()[0x0112] = orientation
    return copy


def test_exif_turns_the_picture(soft):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns
    turned = saved(soft.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)

    picture = images.decode(turned)

    assert images.read_header(turned).width == 48
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture.astype(int) - np.asarray(soft)).mean() < 5


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
        ("animated", "2 frames", lambda _: animated("WEBP")),
        ("animated", "2 frames", lambda _: animated("PNG")),
        ("small", "31x33", lambda image: saved(image.resize((31, 33)), "PNG")),
        ("large", "30000x30000", lambda _: png(30_000, 30_000, pixels=chunk(b"IDAT", b""))),
        ("damaged", "PNG", lambda _: png(64, 64, pixels=chunk(b"IDAT", b""))),
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


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_header(name):
    fault, make = BOMBS[name]

    with pytest.raises(ImageError) as refused:
        images.check(images.read_header(make()))

    assert refused.value.fault == fault


def test_damaged_files_never_do_worse_than_an_image_error(soft):
    originals = [saved(soft, kind) for kind in images.FORMATS]
    originals.append(saved(soft, "JPEG", progressive=True))
    outcomes = {"decoded": 0, "refused": 0}
    for data in islice(mutated(originals, seed=0), 500):
        try:
            assert images.decode(data).dtype == np.uint8
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
