"""The order of the tests is about files that are there."""

from pathlib import Path

from tests.conftest import LONGEST


def test_every_file_that_comes_first_is_there():
    tests = Path(__file__).parents[1]

    assert [name for name in LONGEST if not (tests / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)
