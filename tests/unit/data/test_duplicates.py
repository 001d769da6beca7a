"""The same picture is found in every disguise; different pictures are left alone."""

import cv2
import numpy as np
import pytest

from weathervane.data import images
from weathervane.data.duplicates import find_duplicates, perceptual_hashes, thumbnail
from weathervane.data.scenes import WEATHERS, render

DISGUISES = {
    "encoded again": lambda picture, encode: images.decode(encode(picture, ".jpg", 40)),
    "half the size": lambda picture, _: cv2.resize(picture, None, fx=0.5, fy=0.5),
    "a little brighter": lambda picture, _: cv2.convertScaleAbs(picture, alpha=1.05, beta=6),
    "grey": lambda picture, _: np.repeat(picture.mean(axis=2, keepdims=True), 3, 2).astype("u1"),
    "mirrored": lambda picture, _: np.ascontiguousarray(picture[:, ::-1]),
    "upside down": lambda picture, _: np.ascontiguousarray(picture[::-1]),
    "turned left": lambda picture, _: np.ascontiguousarray(np.rot90(picture)),
    "turned right": lambda picture, _: np.ascontiguousarray(np.rot90(picture, -1)),
    "turned and mirrored": lambda picture, _: np.ascontiguousarray(np.rot90(picture)[::-1]),
}


def pairs_among(pictures, distance=6):
    names = [str(number) for number in range(len(pictures))]
    return find_duplicates(names, np.array([thumbnail(each) for each in pictures]), distance)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_copy_is_found_among_other_scenes(disguise, encode):
    originals = [render(weather, seed) for seed in range(4) for weather in WEATHERS]
    copies = [DISGUISES[disguise](each, encode) for each in originals]

    found = pairs_among(originals + copies)

    assert found.near == tuple((number, 20 + number) for number in range(20))
    assert found.clusters == tuple(range(20)) * 2


def test_a_hundred_different_scenes_share_nothing():
    scenes = [render(weather, seed) for seed in range(24) for weather in WEATHERS]

    assert pairs_among(scenes).near == ()


def test_near_hashes_of_different_pixels_are_no_duplicates(draw):
    pictures = [draw(number) for number in range(20)]

    # Every hash is within 64 bits of every other: only the pixels are left to tell.
    assert pairs_among(pictures, distance=64).near == ()


def test_equal_digests_are_exact_and_joined_with_what_is_near(draw):
    one, other = draw(1), draw(2)
    thumbnails = np.array([thumbnail(each) for each in (one, other, one, one[:, ::-1].copy())])

    found = find_duplicates(["a", "b", "a", "c"], thumbnails, 6)

    assert found.exact == ((0, 2),)
    assert found.near == ((0, 3),)
    assert found.clusters == (0, 1, 0, 0)


def test_no_pictures_have_no_duplicates():
    found = find_duplicates([], np.zeros((0, 32, 32), np.uint8), 6)

    assert (found.exact, found.near, found.clusters) == ((), (), ())


def test_a_hash_has_half_of_its_bits_set(draw):
    hashes = perceptual_hashes(np.array([thumbnail(draw(number)) for number in range(9)]))

    assert set(np.bitwise_count(hashes).tolist()) <= {31, 32}
