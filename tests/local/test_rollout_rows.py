"""Every row of `tests.soak.rollout` with few repetitions: what the soak shows, shown small.

Rows to which it is all the same who answers get stand-ins here; the soak has them with predictors.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.ground import Ground, real_ground, stand_in_ground
from tests.soak.rollout import SMALL, Row, on_predictors, on_stand_ins, on_two_replicas
from weathervane.registry.package import Package

pytestmark = pytest.mark.process
# Labels, packages that are not there, what a predictor tells, a process that drives.
NEED_PREDICTORS = (1, 2, 11, 12, 16)


def check(row: Row, ground: Ground) -> None:
    figures = list(row(ground))

    assert figures
    assert [figure for figure in figures if not figure.ok] == []


@pytest.fixture(scope="module")
def predictors(tiny_package: Package) -> Iterator[Ground]:
    with real_ground(tiny_package) as ground:
        yield ground


@pytest.mark.parametrize("number", NEED_PREDICTORS)
def test_row_with_predictors(predictors: Ground, number: int):
    check(on_predictors(SMALL)[number], predictors)


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[Ground]:
    with stand_in_ground() as ground:
        yield ground


@pytest.mark.parametrize("number", sorted({*on_predictors(SMALL)} - {*NEED_PREDICTORS}))
def test_row_to_which_it_is_the_same_who_answers(stand_ins: Ground, number: int):
    check(on_predictors(SMALL)[number], stand_ins)


@pytest.mark.parametrize("number", on_two_replicas(SMALL))
def test_row_with_two_replicas_a_revision(number: int):
    with stand_in_ground(replicas=2) as ground:
        check(on_two_replicas(SMALL)[number], ground)


@pytest.mark.parametrize("number", on_stand_ins(SMALL, ""))
def test_row_with_stand_ins_for_predictors(
    stand_ins: Ground, number: int, empty_tracking_database: Path, tmp_path: Path
):
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_tracking_database.read_bytes())
    check(on_stand_ins(SMALL, f"sqlite:///{database}")[number], stand_ins)
