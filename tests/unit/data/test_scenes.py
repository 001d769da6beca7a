"""Rendered scenes: reproducible, varied, and hard to tell by colour."""

import cv2
import numpy as np
import pytest

from weathervane.data import images
from weathervane.data.scenes import WEATHERS, render, render_jpeg, write_sample
from weathervane.errors import UsageError


@pytest.mark.parametrize("weather", WEATHERS)
def test_the_same_seed_draws_the_same_scene_and_another_seed_another(weather):
    scene = render(weather, 7)

    assert scene.shape == (192, 256, 3)
    assert scene.dtype == np.uint8
    assert np.array_equal(scene, render(weather, 7))
    assert np.abs(scene.astype(int) - render(weather, 8)).mean() > 10


def test_a_scene_has_the_size_that_is_asked_for():
    assert render("rainy", 0, width=320, height=200).shape == (200, 320, 3)


def test_an_unknown_weather_is_refused():
    with pytest.raises(UsageError, match="'windy'"):
        render("windy", 0)


def test_no_scene_is_black_white_or_flat():
    for seed in range(16):
        for weather in WEATHERS:
            grey = render(weather, seed).mean(axis=2)
            assert 25 < grey.mean() < 235, (weather, seed)
            assert grey.std() > 4, (weather, seed)


def histogram(picture):
    counts = cv2.calcHist([picture], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel()
    return np.sqrt(counts / counts.sum())


def test_a_linear_model_on_colour_histograms_stays_below_85_percent():
    features, labels = [], []
    for seed in range(46):
        for number, weather in enumerate(WEATHERS):
            features.append(histogram(render(weather, seed)))
            labels.append(number)
    x, y, half = np.array(features), np.array(labels), 32 * len(WEATHERS)

    accuracies = []
    for ridge in (0.03, 0.3, 3):
        gram = x[:half].T @ x[:half] + ridge * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, x[:half].T @ np.eye(len(WEATHERS))[y[:half]])
        accuracies.append(float(((x[half:] @ weights).argmax(axis=1) == y[half:]).mean()))

    # Above chance all the same: the weather is not without colour.
    assert 0.3 < max(accuracies) < 0.85


def test_a_sample_is_the_same_whoever_draws_which_part_of_it(tmp_path):
    drawn = []
    write_sample(tmp_path / "small", 10, seed=3)
    write_sample(tmp_path / "large", 61, seed=3, progress=drawn.append)

    small = {path.relative_to(tmp_path / "small"): path for path in tmp_path.glob("small/*/*")}
    assert len(small) == 10
    for name, path in small.items():
        assert path.read_bytes() == (tmp_path / "large" / name).read_bytes()
    assert sum(drawn) == len(list(tmp_path.glob("large/*/*.jpg"))) == 61
    assert (tmp_path / "large" / "snowy" / "snowy-00001.jpg").is_file()
    assert sorted(path.name for path in (tmp_path / "large").iterdir()) == sorted(WEATHERS)


def test_scene_files_are_jpeg_of_several_qualities():
    sizes = [len(render_jpeg("sunny", seed)) for seed in range(4)]

    assert images.identify(render_jpeg("sunny", 0)) == "JPEG"
    assert len(set(sizes)) == 4


def test_a_sample_never_overwrites_and_needs_one_picture_a_class(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.jpg").touch()

    with pytest.raises(UsageError, match="not an empty folder"):
        write_sample(tmp_path / "mine", 10, seed=0)
    with pytest.raises(UsageError, match="at least 5"):
        write_sample(tmp_path / "few", 4, seed=0)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "holiday.jpg"]
