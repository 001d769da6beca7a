"""The model card says what the judgement found, and names stay names."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.evaluation.test_report import CLASSES, evaluation, record
from weathervane.config import GateConfig
from weathervane.evaluation.card import as_page, model_card
from weathervane.evaluation.evaluation import Origin, Share
from weathervane.evaluation.gate import Judgement, choose
from weathervane.evaluation.outliers import OutlierFigures
from weathervane.registry.package import Package

PACKAGE = Package(
    model="weather",
    labels=CLASSES,
    size=96,
    preprocessing="1",
    data_digest="d" * 64,
    code_version="0.1.0",
    folder=Path("unused"),
    digest="a" * 64,
)


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    candidate = replace(
        evaluation("cnn", wrong=2),
        outliers=OutlierFigures(threshold=0.5, wanted_false_positives=0.05, false_positives=0.075),
        origin=Origin(
            leaked=0,
            trained_accuracy=0.95,
            exported_accuracy=0.95,
            unseen=Share(right=19, pictures=20),
        ),
    )
    return choose([candidate], evaluation("champion", wrong=3), GateConfig(max_robustness_loss=0.1))


@pytest.fixture(scope="module")
def card(judgement: Judgement) -> str:
    return model_card(judgement, record(epochs=3), PACKAGE)


@pytest.mark.parametrize(
    "said",
    [
        f"Package `{'a' * 64}`",
        f"Version `{'d' * 64}`: 60 pictures to train on",
        "one answer in 20 was wrong",
        "| accuracy | 0.950 (0.875 to 1.000) |",
        "| brightness low (20) | 0.900 | 0.850 |",
        "- passed: 0 test pictures are among the training pictures",
        "**warning**: ",
        "below 0.500 are suspect; 7.5 % of the test pictures",
        "noise 0.700, undisturbed 0.900",
    ],
)
def test_the_card_tells(card: str, said: str):
    assert said in card


def test_names_of_classes_are_no_markup(card: str):
    assert r"\<b\>fog\</b\>" in card


def test_the_page_has_tables_and_no_foreign_markup(card: str):
    page = as_page(card, "Model card")

    assert page.count("<table>") == 3
    assert "<b>fog</b>" not in page
    assert "&lt;b&gt;fog&lt;/b&gt;" in page


def test_there_is_no_card_without_a_choice(judgement: Judgement):
    with pytest.raises(ValueError, match="not chosen"):
        model_card(replace(judgement, chosen=None), record(epochs=1), PACKAGE)
