"""Slices of test pictures, and pictures that are disturbed."""

import numpy as np
import pytest

from weathervane.data.manifest import Row
from weathervane.data.scenes import render
from weathervane.errors import UsageError
from weathervane.evaluation.disturbances import DISTURBANCES
from weathervane.evaluation.outliers import auroc, outlier_figures
from weathervane.evaluation.slices import cut

ROWS = tuple(
    Row(
        path=f"{number}.jpg",
        label="rainy" if number % 3 else "sunny",
        sha256="0" * 64,
        phash="0" * 16,
        width=100 + number,
        height=100,
        split="test",
        cluster=str(number),
        scene=str(number),
    )
    for number in range(9)
)
# From dark to bright.
PICTURES = np.stack([np.full((8, 8, 3), 20 * number, np.uint8) for number in range(9)])


def test_numbers_are_cut_in_thirds():
    assert cut(PICTURES, ROWS, ["brightness"]) == {
        "brightness low": (0, 1, 2),
        "brightness middle": (3, 4, 5),
        "brightness high": (6, 7, 8),
    }


def test_words_are_cut_by_value():
    assert cut(PICTURES, ROWS, ["label"]) == {
        "label rainy": (1, 2, 4, 5, 7, 8),
        "label sunny": (0, 3, 6),
    }


def test_a_column_of_numbers_is_cut_as_numbers_are():
    assert cut(PICTURES, ROWS, ["width"])["width high"] == (6, 7, 8)


def test_what_is_the_same_for_all_pictures_is_no_slice():
    assert cut(PICTURES, ROWS, ["sharpness", "height", "split"]) == {}


def test_blurred_pictures_are_in_the_slice_of_low_sharpness():
    sharp = np.stack([render("sunny", seed, 64, 64) for seed in range(6)])
    pictures = np.concatenate([sharp, DISTURBANCES["blur"](DISTURBANCES["blur"](sharp))])

    slices = cut(pictures, ROWS[:6] * 2, ["sharpness"])

    assert set(slices["sharpness low"]) <= set(range(6, 12))


def test_a_slice_that_there_is_not_is_named_with_those_there_are():
    with pytest.raises(UsageError, match="no slice by 'colour'; there are brightness, sharpness"):
        cut(PICTURES, ROWS, ["colour"])


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_disturbance_changes_every_picture_a_little_and_always_in_the_same_way(name: str):
    pictures = np.stack([render(weather, 1, 48, 48) for weather in ("foggy", "sunny")])
    before = pictures.copy()

    disturbed = DISTURBANCES[name](pictures)

    assert (disturbed.shape, disturbed.dtype) == (pictures.shape, np.uint8)
    apart = np.abs(disturbed.astype(int) - pictures).mean(axis=(1, 2, 3))
    assert ((apart > 0.5) & (apart < 100)).all()
    assert np.array_equal(DISTURBANCES[name](pictures), disturbed)
    assert np.array_equal(pictures, before)


def test_familiar_pictures_that_always_score_higher_are_told_apart_wholly():
    assert auroc([3, 4, 5], [0, 1, 2]) == 1
    assert auroc([1, 1], [1, 1]) == 0.5


def test_a_threshold_flags_as_many_familiar_pictures_as_it_was_chosen_to():
    random = np.random.default_rng(0)

    found = outlier_figures(random.random(2000), random.random(2000), false_positives=0.05)

    assert found.false_positives == pytest.approx(0.05, abs=0.015)
