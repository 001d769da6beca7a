"""Each bad model is stopped by its gate, and honest ones pass: one seed of `make bench-gate`."""

from functools import partial

import pytest

from tests.evaluation.bad_models import BAD, HONEST, Sizes, World, pool, worse_on_a_slice
from weathervane.config import GateConfig
from weathervane.evaluation.evaluation import Evaluation
from weathervane.evaluation.gate import judge

SIZES = Sizes(train=100, validation=60, test=120, probe=60)
# So few pictures show little: five points lost on a slice are asked of the bench.
FEW = {"the champion, worse on one slice": partial(worse_on_a_slice, lost=0.4)}
# A temperature that was fitted on 60 pictures is not much of one.
CONFIG = GateConfig(min_accuracy=0.35, min_macro_f1=0.3, min_class_recall=0.1, max_ece=0.15)


@pytest.fixture(scope="module")
def world() -> World:
    return World(pool(SIZES.total), SIZES, seed=0)


def refusals(candidate: Evaluation, world: World) -> list[str]:
    verdict = judge(candidate, world.champion, CONFIG)
    return [gate.key for gate in verdict.gates if gate.refused]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_is_stopped_by_the_gate_that_is_about_its_fault(name: str, world: World):
    gate, make = BAD[name]

    assert gate in refusals(FEW.get(name, make)(world), world)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_model_passes(name: str, world: World):
    assert refusals(HONEST[name](world), world) == []
