"""The same picture is found in every disguise; different pictures are left alone."""

import cv2
import numpy as np
import pytest

from weathervane.data import images
from weathervane.data.duplicates import find_duplicates, thumbnail
from weathervane.data.hashes import DISTANCE, SURE, TURNS, Index, perceptual_hashes, turned
from weathervane.data.scenes import WEATHERS, render


def cropped(left: float, right: float, top: float, bottom: float):
    def crop(picture, _):
        height, width = picture.shape[:2]
        rows = slice(round(top * height), round((1 - bottom) * height))
        columns = slice(round(left * width), round((1 - right) * width))
        return np.ascontiguousarray(picture[rows, columns])

    return crop


DISGUISES = {
    "encoded again": lambda picture, encode: images.decode(encode(picture, ".jpg", 30)),
    "half the size": lambda picture, _: cv2.resize(picture, None, fx=0.5, fy=0.5),
    "every fourth pixel": lambda picture, _: np.ascontiguousarray(picture[::4, ::4]),
    "squashed": lambda picture, _: cv2.resize(picture, (120, 120)),
    "brighter": lambda picture, _: cv2.convertScaleAbs(picture, alpha=1.08, beta=8),
    "grey": lambda picture, _: np.repeat(picture.mean(axis=2, keepdims=True), 3, 2).astype("u1"),
    "mirrored": lambda picture, _: np.ascontiguousarray(picture[:, ::-1]),
    "upside down": lambda picture, _: np.ascontiguousarray(picture[::-1]),
    "turned left": lambda picture, _: np.ascontiguousarray(np.rot90(picture)),
    "turned right": lambda picture, _: np.ascontiguousarray(np.rot90(picture, -1)),
    "turned and mirrored": lambda picture, _: np.ascontiguousarray(np.rot90(picture)[::-1]),
    "a hundredth cut off": cropped(0.01, 0, 0, 0.01),
}
PARTS = {
    "5 % cut off around": cropped(0.025, 0.025, 0.025, 0.025),
    "5 % cut off at a corner": cropped(0.05, 0, 0, 0.05),
    "4 % cut off below": cropped(0, 0, 0, 0.04),
    "mirrored and cut": lambda picture, _: np.ascontiguousarray(
        cropped(0.05, 0, 0.03, 0)(picture, _)[:, ::-1]
    ),
}


@pytest.fixture(scope="module")
def scenes():
    return [render(weather, seed) for seed in range(4) for weather in WEATHERS]


def grey_of(picture):
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def found_among(pictures, groups=None):
    names = [str(number) for number in range(len(pictures))]
    return find_duplicates(names, np.array([thumbnail(grey_of(each)) for each in pictures]), groups)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_copy_is_found_among_other_scenes(disguise, scenes, encode):
    found = found_among(scenes + [DISGUISES[disguise](each, encode) for each in scenes])

    assert found.near == tuple((number, 20 + number) for number in range(20))
    assert found.clusters == found.scenes == tuple(range(20)) * 2


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_of_the_same_scene(part, scenes, encode):
    found = found_among(scenes + [PARTS[part](each, encode) for each in scenes])

    assert found.scenes == tuple(range(20)) * 2
    # What is soft enough agrees as a whole, with so little cut off.
    assert len(found.near) + len(found.parts) == 20
    assert found.parts


def test_a_hundred_different_scenes_share_nothing():
    scenes = [render(weather, seed, 96, 72) for seed in range(20) for weather in WEATHERS]

    found = found_among(scenes)

    assert (found.near, found.parts) == ((), ())


def test_flat_pictures_are_nobodys_duplicates():
    flat = [np.full((48, 64, 3), value, np.uint8) for value in (0, 3, 128, 250)]

    assert found_among(flat).scenes == (0, 1, 2, 3)


def test_equal_digests_are_exact_and_joined_with_what_is_near(draw):
    one, other = draw(1), draw(2)
    thumbnails = np.array(
        [thumbnail(grey_of(each)) for each in (one, other, one, one[:, ::-1].copy())]
    )

    found = find_duplicates(["a", "b", "a", "c"], thumbnails)

    assert found.exact == ((0, 2),)
    assert found.near == ((0, 3),)
    assert found.clusters == (0, 1, 0, 0)


def test_the_order_of_pictures_changes_no_cluster(scenes, encode):
    pictures = [*scenes[:8], *(PARTS["5 % cut off around"](each, encode) for each in scenes[:5])]
    order = np.random.default_rng(3).permutation(len(pictures))

    straight = found_among(pictures).scenes
    shuffled = found_among([pictures[index] for index in order]).scenes

    together = [[a == b for b in straight] for a in straight]
    assert together == [
        [shuffled[list(order).index(a)] == shuffled[list(order).index(b)] for b in range(13)]
        for a in range(13)
    ]


def test_of_many_copies_every_pair_across_groups_is_found_and_within_one_enough(draw, encode):
    copies = [images.decode(encode(draw(1), ".jpg", quality)) for quality in range(60, 90, 3)]
    groups = ["rainy"] * 8 + ["sunny"] * 2

    found = found_among(copies, groups)

    assert {(a, b) for a, b in found.near if groups[a] != groups[b]} == {
        (a, b) for a in range(8) for b in (8, 9)
    }
    assert set(found.clusters) == {0}


def test_no_pictures_have_no_duplicates():
    found = find_duplicates([], np.zeros((0, 32, 32), np.uint8))

    assert (found.exact, found.near, found.clusters) == ((), (), ())


def test_brightness_and_contrast_change_no_hash(draw):
    thumbnails = np.array([thumbnail(grey_of(draw(number))) for number in range(9)])

    # All but what rounding to whole grey values changes.
    changed = perceptual_hashes(thumbnails) ^ perceptual_hashes(thumbnails // 2 + 60)
    assert np.bitwise_count(changed).max() <= 6


def test_the_index_nominates_what_comparing_all_with_all_does():
    rng = np.random.default_rng(5)
    # Mixtures of a few pictures: some hashes are near, most are not.
    few = rng.integers(0, 256, (6, 32, 32))
    weights = rng.dirichlet(np.full(6, 0.3), 150)
    thumbnails = np.einsum("nk,kij->nij", weights, few).astype(np.uint8)

    nominated = {
        (int(one), int(other), int(turn))
        for some in [Index(thumbnails).candidates(0)]
        for one, other, turn, span in zip(some.one, some.other, some.turn, some.spans, strict=True)
        if span.tolist() == [0, 1, 0, 1]
    }

    hashes = perceptual_hashes(thumbnails)
    for turn in (0, TURNS.index((True, False, False))):
        disguised = perceptual_hashes(turned(thumbnails, np.full(150, turn, np.int8)))
        differ = np.bitwise_count(disguised[:, None] ^ hashes)
        sure, all_near = (
            {(int(a), int(b)) for a, b in np.argwhere(differ <= bits) if a != b}
            for bits in (SURE, DISTANCE)
        )
        assert sure <= {(a, b) for a, b, of in nominated if of == turn} <= all_near
        assert turn or sure
