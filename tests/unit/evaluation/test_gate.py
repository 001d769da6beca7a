"""The gate's rules. Each test varies one thing from a candidate that passes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weathervane.config import GateConfig
from weathervane.errors import PackageError
from weathervane.evaluation.gate import Judgement, choose, judge
from weathervane.evaluation.judgements import read_judgement, write_judgement
from weathervane.evaluation.metrics import Evaluation, measure

CLASSES = ("rainy", "sunny")
CONFIG = GateConfig(min_accuracy=0.8, min_macro_f1=0.7, min_class_recall=0.5)


def evaluation(wrong: int, name: str = "cnn", total: int = 200, skip: int = 0) -> Evaluation:
    """A model that is wrong on ``wrong`` test pictures in a row, after ``skip``."""
    labels = np.arange(total) % 2
    predicted = labels.copy()
    predicted[skip : skip + wrong] = 1 - predicted[skip : skip + wrong]
    probabilities = np.full((total, 2), 0.1, np.float32)
    probabilities[np.arange(total), predicted] = 0.9
    return Evaluation(
        name=name,
        data_digest="d" * 64,
        figures=measure(labels, probabilities, CLASSES),
        labels=tuple(map(int, labels)),
        predicted=tuple(map(int, predicted)),
        latency_p50_seconds=0.01,
        latency_p95_seconds=0.02,
        size_mebibytes=5.0,
    )


GOOD = evaluation(wrong=20)


def refused(candidate: Evaluation, champion: Evaluation | None = None) -> list[str]:
    verdict = judge(candidate, champion, CONFIG)
    return [gate.name for gate in verdict.gates if not gate.passed]


def test_a_good_candidate_passes_every_gate():
    assert judge(GOOD, None, CONFIG).passed


def test_a_candidate_as_good_as_the_champion_passes():
    assert refused(GOOD, evaluation(wrong=20, name="champion")) == []


def test_a_candidate_as_good_on_other_pictures_passes():
    assert refused(GOOD, evaluation(wrong=20, name="champion", skip=100)) == []


def test_a_better_candidate_passes():
    assert refused(evaluation(wrong=5), evaluation(wrong=20, name="champion")) == []


def test_low_accuracy_is_refused_with_figure_and_bound():
    verdict = judge(evaluation(wrong=50), None, CONFIG)

    assert not verdict.passed
    assert any("0.750" in reason and "0.8" in reason for reason in verdict.reasons)


def test_a_class_that_is_never_found_is_refused_by_name():
    labels = np.array([0] * 180 + [1] * 20)
    probabilities = np.tile(np.array([0.9, 0.1], np.float32), (200, 1))
    blind = replace(GOOD, figures=measure(labels, probabilities, CLASSES))

    assert "recall of the worst class, sunny" in refused(blind)


def test_a_model_that_answers_with_no_number_is_refused():
    broken = replace(GOOD, figures=replace(GOOD.figures, unanswered=0.005))

    assert refused(broken) == ["share of pictures without an answer"]


def test_a_slow_candidate_is_refused():
    assert refused(replace(GOOD, latency_p95_seconds=0.3)) == ["latency p95, s"]


def test_a_large_candidate_is_refused():
    assert refused(replace(GOOD, size_mebibytes=500)) == ["size, MiB"]


@pytest.mark.parametrize("figure", ["latency_p95_seconds", "size_mebibytes"])
def test_a_figure_that_is_no_number_is_refused(figure: str):
    assert refused(replace(GOOD, **{figure: float("nan")}))


def test_a_candidate_worse_than_the_champion_is_refused_by_both_comparisons():
    assert refused(GOOD, evaluation(wrong=2, name="champion")) == [
        "accuracy lost against the champion",
        "chance of such losses, if not worse",
    ]


def test_small_losses_without_a_gain_are_refused_as_no_chance():
    # 1.5 points lost is within the bound, but all on pictures that the champion finds.
    lost = evaluation(wrong=43, total=2000)
    champion = evaluation(wrong=13, name="champion", total=2000)

    assert refused(lost, champion) == ["chance of such losses, if not worse"]


def test_a_champion_judged_on_other_pictures_is_no_comparison():
    with pytest.raises(ValueError, match="same pictures"):
        judge(GOOD, replace(GOOD, name="champion", data_digest="e" * 64), CONFIG)


def test_the_most_accurate_that_passes_is_chosen():
    judgement = choose([GOOD, evaluation(wrong=10, name="mobilenetv2")], None, CONFIG)

    assert judgement.chosen == "mobilenetv2"


def test_of_two_equal_ones_the_smaller_is_chosen():
    small = replace(GOOD, name="small", size_mebibytes=1.0)

    assert choose([GOOD, small], None, CONFIG).chosen == "small"


def test_none_is_chosen_when_all_are_refused():
    judgement = choose([evaluation(wrong=90)], None, CONFIG)

    assert judgement.chosen is None
    assert not judgement.passed


def test_two_candidates_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="names of their own"):
        choose([GOOD, GOOD], None, CONFIG)


def test_a_judgement_is_read_back_as_it_was_written(tmp_path: Path):
    judgement: Judgement = choose([GOOD], evaluation(wrong=20, name="champion"), CONFIG)
    write_judgement(judgement, tmp_path / "judgement.json")

    assert read_judgement(tmp_path / "judgement.json") == judgement


def test_another_file_is_no_judgement(tmp_path: Path):
    (tmp_path / "other.json").write_text("{}")

    with pytest.raises(PackageError, match="no judgement"):
        read_judgement(tmp_path / "other.json")
