"""A shift is told when it is both large and more than chance explains, and only then."""

import json
import math

import cv2
import numpy as np
import pytest

from weathervane.config import ShiftConfig
from weathervane.data.baseline import EVERY, Baseline, make_baseline
from weathervane.data.comparison import figures_of
from weathervane.data.features import FEATURES, measure, shrink
from weathervane.data.looking import look
from weathervane.data.shift import Shift, compare, population_stability, shift_findings
from weathervane.errors import DataError, UsageError


def rows(seed: int, count: int = 400, **moved: float) -> np.ndarray:
    """Normal features of deviation 1, some of them moved by so much."""
    drawn = np.random.default_rng(seed).normal(size=(count, len(FEATURES)))
    drawn += [moved.get(name, 0.0) for name in FEATURES]
    return drawn.astype(np.float32)


def compared(before: dict, now: dict, **settings: object) -> Shift:
    return compare(
        make_baseline("before", before), make_baseline("now", now), ShiftConfig(**settings)
    )


BEFORE = {"rainy": rows(1), "sunny": rows(2)}


def test_pictures_of_one_source_do_not_differ():
    alarms = [
        compared({"a": rows(seed), "b": rows(seed + 1)}, {"a": rows(seed + 2), "b": rows(seed + 3)})
        for seed in range(0, 40, 4)
    ]

    assert sum(bool(each.moved) for each in alarms) == 0
    assert {len(each.differences) for each in alarms} == {1 + 3 * len(FEATURES)}


@pytest.mark.parametrize(
    ("by", "severity"), [(0.05, None), (0.36, "warning"), (-0.36, "warning"), (0.8, "error")]
)
def test_a_feature_that_moved_is_told_with_its_size(by: float, severity: str | None):
    now = {"rainy": rows(3, brightness=by), "sunny": rows(4, brightness=by)}

    moved = [each for each in compared(BEFORE, now).moved if each.label == EVERY]

    assert [(each.feature, each.severity) for each in moved] == (
        [("brightness", severity)] if severity else []
    )
    for each in moved:
        assert each.wasserstein == pytest.approx(abs(by), abs=0.12)
        assert each.now - each.before == pytest.approx(by, abs=0.15)


def test_a_shift_within_one_class_is_found_although_the_whole_hides_it():
    now = {"rainy": rows(3, warmth=1.0), "sunny": rows(4, warmth=-1.0)}
    before = {"rainy": rows(1, warmth=-1.0), "sunny": rows(2, warmth=1.0)}

    moved = {(each.feature, each.label) for each in compared(before, now).moved}

    assert moved == {("warmth", "rainy"), ("warmth", "sunny")}


def test_a_wider_spread_is_a_shift_although_nothing_moved():
    wide = {label: each * 2 for label, each in BEFORE.items()}

    assert {each.feature for each in compared(BEFORE, wide).moved} == set(FEATURES)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"rainy": rows(3, 200), "sunny": rows(4, 200)}, False),
        ({"rainy": rows(3, 260), "sunny": rows(4, 140)}, False),
        ({"rainy": rows(3, 320), "sunny": rows(4, 80)}, True),
        ({"rainy": rows(3, 200), "sunny": rows(4, 200), "foggy": rows(5, 100)}, True),
        ({"rainy": rows(3, 400)}, True),
        # Large, but of so few pictures that chance explains it.
        ({"rainy": rows(3, 9), "sunny": rows(4, 3)}, False),
    ],
)
def test_shares_of_classes_are_compared(now: dict, told: bool):
    assert ("classes" in {each.feature for each in compared(BEFORE, now).moved}) is told


def test_few_pictures_prove_nothing():
    assert compared({"a": rows(1, 5)}, {"a": rows(2, 5, area=0.5)}).moved == ()


def test_a_feature_without_spread_is_compared_too():
    flat = {"a": np.zeros((300, len(FEATURES)), np.float32)}

    assert compared(flat, flat).moved == ()
    assert {each.feature for each in compared(flat, {"a": rows(2, 300)}).moved} == set(FEATURES)


def test_psi_is_as_defined():
    # Half and half against a quarter and three quarters.
    expected = (0.25 - 0.5) * math.log(0.25 / 0.5) + (0.75 - 0.5) * math.log(0.75 / 0.5)

    assert population_stability(np.array([50, 50]), np.array([25, 75])) == pytest.approx(expected)
    assert math.isfinite(population_stability(np.array([100, 0]), np.array([0, 100])))


def test_findings_have_codes_and_the_worst_severity():
    now = {"rainy": rows(3, 400, area=2, warmth=0.4), "sunny": rows(4, 40, area=2, warmth=0.4)}

    findings = {each.code: each for each in shift_findings(compared(BEFORE, now))}

    assert set(findings) == {"WV601", "WV602", "WV603"}
    assert findings["WV601"].severity == "error"
    assert "area (PSI" in findings["WV601"].message
    assert "rainy: area" in findings["WV603"].message


def test_bounds_are_settings_and_check_themselves():
    now = {"rainy": rows(3, area=0.4), "sunny": rows(4, area=0.4)}
    lax = {"psi": (9, 9), "ks": (9, 9), "wasserstein": (9, 9)}

    assert compared(BEFORE, now).moved
    assert not compared(BEFORE, now, **lax).moved
    for wrong in ({"psi": (0.3, 0.1)}, {"ks": (0, 1)}, {"significance": 0}):
        with pytest.raises(UsageError):
            ShiftConfig(**wrong)


def test_a_baseline_is_the_same_in_any_order_and_after_reading(tmp_path):
    turned = {label: BEFORE[label][::-1] for label in reversed(BEFORE)}

    make_baseline("x", BEFORE).write(tmp_path / "a.json")
    again = Baseline.read(tmp_path / "a.json")

    assert again == make_baseline("x", BEFORE) == make_baseline("x", turned)
    assert again.counts == {"rainy": 400, "sunny": 400}
    assert (tmp_path / "a.json").stat().st_size < 60_000


def test_what_is_no_baseline_is_refused(tmp_path):
    make_baseline("x", BEFORE).write(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    del document["classes"]["rainy"]["features"]["area"]
    (tmp_path / "b.json").write_text(json.dumps(document))
    (tmp_path / "c.json").write_text("[]")

    for name, says in (("b", "other features"), ("c", "not a baseline"), ("d", "cannot read")):
        with pytest.raises(DataError, match=says):
            Baseline.read(tmp_path / f"{name}.json")


def test_features_follow_the_picture(draw):
    picture = draw(1, 256, 192)
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)

    def features(of: np.ndarray) -> dict[str, float]:
        return dict(zip(FEATURES, measure(shrink(np.ascontiguousarray(of)))[0], strict=True))

    usual = features(picture)
    assert usual["area"] == pytest.approx(math.log2(256 * 192))
    assert usual["aspect"] == pytest.approx(math.log2(4 / 3))
    assert features(picture // 2)["brightness"] == pytest.approx(usual["brightness"] / 2, abs=0.01)
    assert features(cv2.blur(noise, (3, 3)))["sharpness"] < features(noise)["sharpness"] - 0.3
    assert features(grey)["saturation"] == 0
    assert features(picture[..., ::-1])["warmth"] == pytest.approx(-usual["warmth"])
    assert np.isfinite(measure(shrink(np.zeros((1, 4000, 3), np.uint8)))).all()


def test_pictures_that_cannot_be_decoded_are_passed_over(folder_of):
    folder = folder_of({"rainy": 3, "sunny": 2})
    (folder / "rainy" / "000.jpg").write_bytes(b"no picture")

    measured = figures_of(look(folder))

    assert {label: each.shape for label, each in measured.items()} == {
        "rainy": (2, 7),
        "sunny": (2, 7),
    }
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="can be decoded"):
        figures_of(look(folder))
