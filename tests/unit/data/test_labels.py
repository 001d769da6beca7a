"""Wrong labels are found by what a model that never saw the picture makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from weathervane.config import Bounds, ValidationConfig
from weathervane.data.labels import find_suspects, search, suggest
from weathervane.data.report import Report
from weathervane.data.scenes import WEATHERS, render_jpeg
from weathervane.data.traits import describe
from weathervane.data.validation import validate


def test_the_rule_is_that_of_confident_learning():
    """Thresholds are means, and a picture that reaches none keeps its label."""
    probabilities = np.array(
        [[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.55, 0.45], [0.6, 0.4]]
    )
    labels = np.array([0, 0, 0, 1, 1, 1])

    # Thresholds: (0.9 + 0.7 + 0.2) / 3 = 0.6 and (0.9 + 0.45 + 0.4) / 3 = 0.583.
    assert suggest(probabilities, labels).tolist() == [0, 0, 1, 1, 1, 0]


def test_a_label_that_is_the_likeliest_stays():
    """The first one reaches the other class's low threshold, and not the high one of its own."""
    probabilities = np.array([[0.52, 0.48], [0.99, 0.01], [0.99, 0.01], [0.6, 0.4], [0.6, 0.4]])

    assert suggest(probabilities, np.array([0, 0, 0, 1, 1])).tolist()[0] == 0


def made_up(count: int = 150, wrong: int = 12) -> tuple[list[str], np.ndarray, list[int]]:
    """Three classes that features tell apart, some of them labelled as the next one."""
    rng = np.random.default_rng(3)
    numbers = np.arange(count) % 3
    looks = (rng.normal(size=(count, 8)) + 4 * np.eye(3, 8)[numbers]).astype(np.float32)
    flipped = rng.choice(count, wrong, replace=False)
    numbers[flipped] = (numbers[flipped] + 1) % 3
    return ["abc"[number] for number in numbers], looks, sorted(flipped.tolist())


def test_flipped_labels_come_first_and_with_the_right_suggestion():
    labels, looks, flipped = made_up()
    paths = [f"{number:03d}" for number in range(len(labels))]

    suspects = find_suspects(paths, labels, paths, looks)

    assert sorted(int(each.path) for each in suspects[: len(flipped)]) == flipped
    assert all(
        each.suggested == "abc"[("abc".index(each.label) - 1) % 3]
        for each in suspects[: len(flipped)]
    )
    assert all(each.instead > each.given for each in suspects)


def test_pictures_of_one_cluster_do_not_vouch_for_each_other():
    labels, looks, _ = made_up(wrong=0)
    paths = [f"{number:03d}" for number in range(190)]
    # Forty copies of one picture of "a", with a mark of their own and the label "b".
    copies = np.repeat(looks[:1] + 10 * np.eye(1, 8, 7, dtype=np.float32), 40, axis=0)
    labels, looks = labels + ["b"] * 40, np.concatenate([looks, copies])

    together = find_suspects(paths, labels, paths[:150] + ["copies"] * 40, looks)
    apart = find_suspects(paths, labels, paths, looks)

    assert {*paths[150:]} <= {each.path for each in together}
    assert not {*paths[150:]} & {each.path for each in apart}


def test_classes_with_few_pictures_are_not_judged():
    labels, looks, _ = made_up()
    few = ["rare" if number < 4 else label for number, label in enumerate(labels)]

    suspects = find_suspects(
        [str(n) for n in range(len(few))], few, [str(n) for n in range(150)], looks
    )

    assert suspects
    assert all("rare" not in (each.label, each.suggested) for each in suspects)
    assert find_suspects(["a"], ["x"], ["a"], looks[:1]) == ()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The report on 180 rendered scenes, 9 in the folder of another weather, and which."""
    folder = tmp_path_factory.mktemp("scenes")
    flipped = set()
    for number in range(180):
        weather = WEATHERS[number % 5]
        label = WEATHERS[(number + 1 + number % 4) % 5] if number % 20 == 7 else weather
        path = f"{label}/{number}.jpg"
        (folder / label).mkdir(exist_ok=True)
        (folder / path).write_bytes(render_jpeg(weather, number))
        if label != weather:
            flipped.add(path)
    return search(validate(folder)), flipped


def test_of_5_percent_flipped_labels_of_scenes_most_are_found(scenes):
    report, flipped = scenes

    found = {each.path for each in report.suspects}
    assert len(flipped) == 9
    assert len(found & flipped) >= 6
    assert len(found & flipped) / len(found) >= 0.3
    assert report.suspects[0].path in flipped
    assert [each.code for each in report.findings] == ["WV701"]
    assert report.findings[0].severity == "warning"
    assert "Labels that are probably wrong" in report.as_html()
    assert report.passed


def test_settings_decide_from_which_share_on_wrong_labels_stop(folder_of):
    report = validate(folder_of({"rainy": 12, "sunny": 12}))

    def verdict(**bounds):
        found = search(report, ValidationConfig(checks={"WV701": Bounds(**bounds)}))
        (suspected,) = (each for each in found.findings if each.code == "WV701")
        assert suspected.figure == round(len(found.suspects) / 24, 6)
        return suspected.severity

    # Blobs have no class: a model that guesses suspects some.
    assert verdict(stop=0.01) == "error"
    assert verdict(warn=0.01, stop=0.99) == "warning"
    assert verdict(warn=0.99) == "info"


def test_a_report_without_usable_pictures_stays_as_it_is(folder_of):
    report = validate(folder_of({"rainy": 2}))
    nothing = replace(report, pictures=())

    assert search(nothing) == nothing
    assert search(report).suspects == ()


def test_suspects_survive_being_written(scenes, tmp_path):
    report, _ = scenes

    report.write(tmp_path)

    assert Report.read(tmp_path / "report.json") == report


def test_traits_are_finite_whatever_the_picture(draw):
    for picture in (np.zeros((40, 40, 3), np.uint8), draw(1, 3000, 40), draw(2, 33, 900)):
        assert describe(picture).shape == (195,)
        assert np.isfinite(describe(picture)).all()
