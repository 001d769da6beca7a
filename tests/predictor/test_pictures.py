"""Damaged pictures, over the wire: refused or classified, and nothing else."""

import pytest

from tests.predictor.running import Running
from tests.soak.pictures import figures_of, send_damaged

pytestmark = pytest.mark.process


def test_damaged_pictures_are_classified_or_refused_with_a_reason(
    predictor: Running, pictures: dict[str, bytes]
):
    outcome = send_damaged(predictor, list(pictures.values()), count=400, seed=2)

    assert [figure for figure in figures_of(outcome) if not figure.ok] == []
