"""Pictures over the wire: damaged ones are refused or classified, large ones come in every way."""

import numpy as np
import pytest

from tests.asking import Asker
from tests.hostile_pictures import large_jpeg
from tests.predictor.running import Running
from tests.soak.pictures import figures_of, send_damaged

pytestmark = pytest.mark.process


def test_damaged_pictures_are_classified_or_refused_with_a_reason(
    predictor: Running, pictures: dict[str, bytes]
):
    outcome = send_damaged(predictor, list(pictures.values()), count=400, seed=2)

    assert [figure for figure in figures_of(outcome) if not figure.ok] == []


def test_a_jpeg_of_7_mb_comes_in_every_way(predictor: Running):
    picture = large_jpeg()

    with Asker(predictor) as asker:
        answers = [ask(picture) for ask in asker.ways().values()]

    assert 6.5e6 < len(picture) < 7.5e6
    assert all(np.allclose(answer, answers[0], atol=1e-6) for answer in answers)
