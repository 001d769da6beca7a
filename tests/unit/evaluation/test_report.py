"""The page that compares candidates stands alone and shows what was judged."""

import re
from pathlib import Path

import numpy as np
import pytest

from weathervane.config import GateConfig, TrainConfig
from weathervane.evaluation.evaluation import Evaluation
from weathervane.evaluation.explain import Explanation
from weathervane.evaluation.gate import choose
from weathervane.evaluation.metrics import measure
from weathervane.evaluation.report import write_comparison
from weathervane.training.record import Curves, TrainingRecord

CLASSES = ("<b>fog</b>", "verschneit ❄")

WHY = Explanation(label=CLASSES[1], said=CLASSES[0], confidence=0.9, picture="aa", heat="bb")


def evaluation(name: str, wrong: int) -> Evaluation:
    labels = np.arange(40) % 2
    predicted = np.where(np.arange(40) < wrong, 1 - labels, labels)
    probabilities = np.full((40, 2), 0.1)
    probabilities[np.arange(40), predicted] = 0.9
    return Evaluation(
        name=name,
        data_digest="d" * 64,
        figures=measure(labels, probabilities, CLASSES),
        labels=tuple(map(int, labels)),
        predicted=tuple(map(int, predicted)),
        latency_p50_seconds=0.01,
        latency_p95_seconds=0.02,
        size_mebibytes=5.0,
        slices={"brightness low": tuple(range(20)), "brightness high": tuple(range(20, 40))},
        robustness={"none": 0.9, "noise": 0.7},
        explanations=(WHY,) if name == "cnn" else (),
    )


def record(epochs: int) -> TrainingRecord:
    return TrainingRecord(
        settings=TrainConfig(),
        weights="none",
        classes=CLASSES,
        size=96,
        data_digest="d" * 64,
        pictures={"train": 60, "validation": 20, "test": 40},
        parameters=80_565,
        curves=Curves(
            loss=(0.5,) * epochs,
            accuracy=(0.5,) * epochs,
            validation_loss=(0.5,) * epochs,
            validation_accuracy=(0.75,) * epochs,
        ),
        best_epoch=1,
        seconds=1.0,
        versions={},
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "comparison.html"
    candidates = [evaluation("cnn", wrong=2), evaluation("mobilenetv2", wrong=30)]
    judgement = choose(candidates, evaluation("champion", wrong=3), GateConfig())
    write_comparison(judgement, {"cnn": record(epochs=3), "mobilenetv2": record(epochs=1)}, path)
    return path.read_text(encoding="utf-8")


def test_the_page_needs_nothing_beside_it(page: str):
    beside = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"' )]*)", page)
    assert all(link.startswith("data:image/jpeg;base64,") for link in beside)
    assert "http" not in page


def test_the_page_says_who_was_chosen_and_who_was_refused(page: str):
    assert re.search(r">cnn</b> passed every gate and was chosen", page)
    assert page.count(">refused<") >= 2  # the candidate in the table, and its gates
    assert ">live<" in page


def test_names_of_classes_are_text(page: str):
    assert "<b>fog</b>" not in page
    assert "&lt;b&gt;fog&lt;/b&gt;" in page
    assert "verschneit ❄" in page


def test_every_candidate_has_its_curves_and_its_reliability(page: str):
    # Two curves of each training, three of the ROC; ten bins of each candidate, and for each of
    # three models two recalls, two slices and two disturbances.
    assert page.count("<polyline") == 2 * 2 + 3
    assert page.count("<circle") == 2 * 10 + 3 * 6
    assert "nan" not in page.lower()


def test_slices_disturbances_and_explanations_are_shown(page: str):
    assert "brightness low (20)" in page
    assert "noise" in page
    assert page.count("<img") == 2
    assert "labelled verschneit ❄" in page


def test_every_gate_is_shown_and_those_that_fell_short_say_why(page: str):
    shown = re.findall(r"<p class=.(bad|warn).>(Refused|Warning): ", page)

    assert ("bad", "Refused") in shown
    assert ("warn", "Warning") in shown
    assert page.count("latency against the champion") == 2


def test_a_page_without_a_choice_says_so(tmp_path: Path):
    judgement = choose([evaluation("cnn", wrong=30)], None, GateConfig())
    write_comparison(judgement, {}, tmp_path / "page.html")

    assert "No candidate passed every gate" in (tmp_path / "page.html").read_text("utf-8")
