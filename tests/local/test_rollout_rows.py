"""Every row of `tests.soak.rollout` with few repetitions: what the soak shows, shown small."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.ground import Ground, real_ground, stand_in_ground
from tests.soak.rollout import SMALL, Row, on_predictors, on_stand_ins, on_two_replicas
from weathervane.registry.package import Package

pytestmark = pytest.mark.process


def check(row: Row, ground: Ground) -> None:
    figures = list(row(ground))

    assert figures
    assert [figure for figure in figures if not figure.ok] == []


@pytest.fixture(scope="module")
def predictors(tiny_package: Package) -> Iterator[Ground]:
    with real_ground(tiny_package) as ground:
        yield ground


@pytest.mark.parametrize("number", on_predictors(SMALL))
def test_row_with_one_predictor_a_revision(predictors: Ground, number: int):
    check(on_predictors(SMALL)[number], predictors)


@pytest.mark.parametrize("number", on_two_replicas(SMALL))
def test_row_with_two_predictors_a_revision(tiny_package: Package, number: int):
    with real_ground(tiny_package, replicas=2) as ground:
        check(on_two_replicas(SMALL)[number], ground)


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[Ground]:
    with stand_in_ground() as ground:
        yield ground


@pytest.mark.parametrize("number", on_stand_ins(SMALL, ""))
def test_row_with_stand_ins_for_predictors(
    stand_ins: Ground, number: int, empty_tracking_database: Path, tmp_path: Path
):
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_tracking_database.read_bytes())
    check(on_stand_ins(SMALL, f"sqlite:///{database}")[number], stand_ins)
