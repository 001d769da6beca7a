"""Rows of `tests.soak.cluster` with few repetitions, where no other test here shows them small."""

import shutil

import pytest

from tests.soak.cluster import SMALL, SMALL_ROWS, rows

pytestmark = pytest.mark.process


@pytest.mark.parametrize("number", SMALL_ROWS)
def test_row(number, store, empty_tracking_database, tmp_path):
    database = shutil.copy(empty_tracking_database, tmp_path / "mlflow.db")

    figures = list(rows(SMALL, store, database)[number]())

    assert figures
    assert [figure for figure in figures if not figure.ok] == []
