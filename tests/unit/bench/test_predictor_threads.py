from tests.bench.predictor.load import Spell
from tests.bench.predictor.threads import figures


def spell(per_second: float) -> Spell:
    return Spell(p50=20, p95=30, p99=40, per_second=per_second, requests=100, client_share=0.2)


def test_a_default_that_is_near_the_best_is_good_enough():
    assert all(each.ok for each in figures({1: spell(200), 2: spell(330), 4: spell(340)}, 2))


def test_a_default_that_another_number_of_threads_beats_falls_short():
    *_, last = figures({1: spell(200), 2: spell(300), 4: spell(340)}, 2)

    assert not last.ok
    assert last.shown == "0.88x"
