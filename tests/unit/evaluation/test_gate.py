"""The gate's rules. Each test varies one thing from a candidate that passes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weathervane.config import GATES, GateConfig
from weathervane.errors import PackageError, UsageError
from weathervane.evaluation.evaluation import Evaluation, Origin, Parity, Share
from weathervane.evaluation.gate import Judgement, choose, judge
from weathervane.evaluation.judgements import read_judgement, write_judgement
from weathervane.evaluation.metrics import measure

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
ORIGIN = Origin(
    leaked=0, trained_accuracy=0.9, exported_accuracy=0.9, unseen=Share(right=90, pictures=100)
)


def refused(
    candidate: Evaluation, champion: Evaluation | None = None, config: GateConfig = CONFIG
) -> list[str]:
    return [gate.key for gate in judge(candidate, champion, config).gates if gate.refused]


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

    assert "class_recall" in refused(blind)
    assert any("worst class, sunny" in reason for reason in judge(blind, None, CONFIG).reasons)


FAULTS = {
    "answers": replace(GOOD, figures=replace(GOOD.figures, unanswered=0.005)),
    "calibration": replace(GOOD, figures=replace(GOOD.figures, ece=0.2)),
    "latency": replace(GOOD, latency_p95_seconds=0.3),
    "size": replace(GOOD, size_mebibytes=500),
    "parity": replace(GOOD, parity=Parity(largest_difference=2e-4, labels_differing=0)),
    "parity_labels": replace(GOOD, parity=Parity(largest_difference=1e-5, labels_differing=1)),
    "leaked": replace(GOOD, origin=replace(ORIGIN, leaked=1)),
    "as_trained": replace(GOOD, origin=replace(ORIGIN, exported_accuracy=0.84)),
    "memory": replace(GOOD, origin=replace(ORIGIN, unseen=Share(right=70, pictures=100))),
    # Its first 40 pictures hold all 20 mistakes: half of them are found, where 0.6 is asked for.
    "slice_accuracy": replace(GOOD, slices={"dark": tuple(range(40))}),
}


@pytest.mark.parametrize("key", FAULTS)
def test_each_fault_is_refused_by_its_own_gate_alone(key: str):
    config = replace(CONFIG, min_slice_accuracy=0.6)

    assert refused(FAULTS[key], config=config) == [key]


@pytest.mark.parametrize("key", FAULTS)
def test_a_gate_that_only_warns_says_the_same_and_lets_pass(key: str):
    config = replace(CONFIG, min_slice_accuracy=0.6)
    blocked = judge(FAULTS[key], None, config)

    warned = judge(FAULTS[key], None, replace(config, advisory=(key,)))

    assert warned.passed
    assert warned.warnings[-1:] == blocked.reasons


def test_an_honest_origin_passes():
    assert refused(replace(GOOD, origin=ORIGIN)) == []


def test_a_candidate_without_probe_pictures_is_not_asked_for_them():
    blind = replace(GOOD, origin=replace(ORIGIN, unseen=Share(right=0, pictures=0)))

    assert refused(blind) == []


def test_a_slice_of_few_pictures_is_not_judged():
    assert refused(replace(GOOD, slices={"dark": tuple(range(20))})) == []


@pytest.mark.parametrize("figure", ["latency_p95_seconds", "size_mebibytes"])
def test_a_figure_that_is_no_number_is_refused(figure: str):
    assert refused(replace(GOOD, **{figure: float("nan")}))


def test_a_candidate_much_worse_than_the_champion_is_refused_by_every_comparison():
    assert refused(GOOD, evaluation(wrong=2, name="champion")) == [
        "accuracy_loss",
        "losses",
        "macro_f1_loss",
        "macro_f1_worse",
    ]


def test_small_losses_without_a_gain_are_refused_as_no_chance():
    # 1.5 points lost is within the bound, but all on pictures that the champion finds.
    lost = evaluation(wrong=43, total=2000)
    champion = evaluation(wrong=13, name="champion", total=2000)

    assert refused(lost, champion) == ["losses", "macro_f1_worse"]


def test_a_loss_on_one_slice_is_refused_though_as_much_is_won_elsewhere():
    dark, light = tuple(range(1000)), tuple(range(1000, 2000))
    champion = evaluation(wrong=50, name="champion", total=2000, skip=1000)
    shifted = evaluation(wrong=50, total=2000)
    slices = {"dark": dark, "light": light}

    verdict = judge(replace(shifted, slices=slices), champion, CONFIG)

    assert [gate.key for gate in verdict.gates if gate.refused] == ["slice_losses"]
    assert (
        "on the slice dark (1000 pictures) accuracy is 0.950, the champion's 1.000"
        in (verdict.reasons[0])
    )


def test_few_pictures_show_neither_a_loss_nor_that_there_is_none():
    """What is not shown to be no worse is said; settings may ask for it."""
    champion = evaluation(wrong=20, name="champion", skip=100)
    strict = replace(CONFIG, advisory=())

    verdict = judge(GOOD, champion, CONFIG)

    assert verdict.passed
    (warning,) = verdict.warnings
    assert re.search(r"with 98 % confidence between -0\.\d+ and 0\.\d+", warning)
    assert refused(GOOD, champion, strict) == ["macro_f1_shown"]


def test_many_pictures_show_that_nothing_is_lost():
    ours, theirs = (
        evaluation(wrong=200, total=4000, skip=skip, name=name)
        for skip, name in ((0, "cnn"), (1000, "champion"))
    )

    assert refused(ours, theirs, replace(CONFIG, advisory=())) == []


def test_a_candidate_slower_than_the_champion_is_told_and_passes():
    slow = replace(GOOD, latency_p50_seconds=0.03)

    assert judge(slow, GOOD, CONFIG).warnings == (
        "latency p50 is 3.00 times the champion's, at most 2 allowed",
    )


def test_the_worst_disturbance_is_told_and_passes():
    """Settings may let it block."""
    frail = replace(GOOD, robustness={"none": 0.9, "noise": 0.5, "blur": 0.8})
    strict = replace(CONFIG, advisory=())

    assert judge(frail, None, CONFIG).warnings == (
        "accuracy lost to the worst disturbance, noise is 0.400, at most 0.3 allowed",
    )
    assert refused(frail, config=strict) == ["robustness"]


def test_every_gate_has_the_key_that_settings_know_it_by():
    everything = replace(
        GOOD,
        parity=Parity(largest_difference=0, labels_differing=0),
        origin=ORIGIN,
        slices={"dark": tuple(range(100))},
        robustness={"none": 0.9, "noise": 0.8},
    )

    assert tuple(gate.key for gate in judge(everything, GOOD, CONFIG).gates) == GATES


def test_settings_that_name_no_gate_are_refused():
    with pytest.raises(UsageError, match="advisory names latncy; the gates are"):
        GateConfig(advisory=("latncy",))


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
