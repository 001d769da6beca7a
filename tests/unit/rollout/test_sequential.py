"""The tests that may be looked at often: that they are what they claim, computed exactly."""

from itertools import product
from math import exp

import numpy as np
import pytest
from scipy.stats import binom, hypergeom, nchypergeom_fisher

from weathervane.rollout.dispersion import Dispersion
from weathervane.rollout.sequential import (
    Wager,
    odds_growth,
    rate_growth,
    shift_growth,
    split_evidence,
)

RATIOS = (1.5, 4.0, 50.0)


def odds_values(hits: int, of_canary: int, requests: int, to_canary: int) -> list[float]:
    growth = odds_growth(
        RATIOS, hits=hits, canary_hits=of_canary, requests=requests, canary_requests=to_canary
    )
    return [exp(by) for by in growth]


@pytest.mark.parametrize("true_ratio", [1.0, 0.3])
@pytest.mark.parametrize(
    ("requests", "to_canary", "hits"), [(100, 5, 3), (100, 50, 40), (30, 10, 29), (200, 20, 90)]
)
def test_no_odds_can_be_won_against_a_canary_that_is_not_worse(
    requests: int, to_canary: int, hits: int, true_ratio: float
):
    of_canary = np.arange(min(hits, to_canary) + 1)
    chances = nchypergeom_fisher.pmf(of_canary, requests, hits, to_canary, true_ratio)

    values = np.array([odds_values(hits, int(n), requests, to_canary) for n in of_canary])

    assert np.all(chances @ values <= 1 + 1e-9)


def test_a_bet_on_the_right_odds_grows():
    of_canary = np.arange(11)
    chances = nchypergeom_fisher.pmf(of_canary, 1000, 10, 300, 4.0)

    growth = [
        odds_growth((4.0,), hits=10, canary_hits=int(n), requests=1000, canary_requests=300)[0]
        for n in of_canary
    ]

    assert chances @ np.array(growth) > 1


@pytest.mark.parametrize("true_rate", [0.01, 0.002])
def test_nothing_can_be_won_against_a_rate_within_its_bound(true_rate: float):
    hits = np.arange(201)

    values = [exp(rate_growth((0.03,), 0.01, hits=int(n), requests=200)[0]) for n in hits]

    assert binom.pmf(hits, 200, true_rate) @ np.array(values) <= 1 + 1e-9


def test_nothing_can_be_won_against_a_split_that_holds():
    to_canary = np.arange(401)

    values = [split_evidence(int(n), 400, 0.1) for n in to_canary]

    assert binom.pmf(to_canary, 400, 0.1) @ np.array(values) == pytest.approx(1)


def test_nothing_can_be_won_against_answers_that_are_alike():
    # More come now of what the canary answered more often before: no reason to win.
    answers, to_canary = (20, 3, 2), 10
    past = ((40, 10), (5, 30), (5, 10))
    mean = 0.0
    for drawn in product(*(range(count + 1) for count in answers)):
        if sum(drawn) != to_canary:
            continue
        chance = np.prod(
            [binom.pmf(n, count, 0.4) for n, count in zip(drawn, answers, strict=True)]
        ) / binom.pmf(to_canary, sum(answers), 0.4)
        kinds = [
            (*before, n, count - n) for before, n, count in zip(past, drawn, answers, strict=True)
        ]
        mean += chance * exp(shift_growth(kinds))

    assert 0.5 < mean <= 1 + 1e-9


def test_evidence_is_a_fair_game_whatever_is_staked_when():
    """Over every outcome of six looks with a new start among them, the mean stays at most 1."""
    chances = hypergeom.pmf([0, 1], 10, 1, 5)
    mean = 0.0
    for outcome in product((0, 1), repeat=6):
        wager = Wager.on(1)
        for look, hit in enumerate(outcome):
            wager = wager.restarted() if look == 3 else wager
            wager = wager.after(
                odds_growth((4.0,), hits=1, canary_hits=hit, requests=10, canary_requests=5)
            )
        mean += float(np.prod([chances[hit] for hit in outcome])) * wager.evidence

    assert mean == pytest.approx(1)


@pytest.mark.parametrize("restarts", [True, False], ids=["at a new step", "in mid-step"])
def test_good_looks_do_not_hide_bad_ones_that_follow(restarts: bool):
    wager = Wager.on(1)
    for _ in range(2000):
        wager = wager.after([-0.1])
    assert wager.p_value == 1
    wager = wager.restarted() if restarts else wager

    for _ in range(150):
        wager = wager.after([0.1])

    assert wager.p_value < 0.001


def test_evidence_stays_a_number():
    wager = Wager.on(1)
    for _ in range(10):
        wager = wager.after([1e6])

    assert 1e9 < wager.evidence < float("inf")


def dispersion(noise: np.ndarray, variance: float) -> float:
    seen = Dispersion()
    for deviation in noise:
        seen = seen.after(float(deviation), variance)
    return seen.factor


def test_independent_counts_are_not_called_noisy():
    factors = [dispersion(np.random.default_rng(seed).normal(0, 1, 600), 1.0) for seed in range(20)]

    assert np.median(factors) < 1.5


def test_a_drift_is_no_noise():
    noise = np.random.default_rng(1).normal(0, 1, 600)

    assert dispersion(noise + 5, 1.0) == pytest.approx(dispersion(noise, 1.0))


def test_noise_that_comes_in_spells_is_seen_by_longer_blocks():
    spells = np.repeat(np.random.default_rng(1).normal(0, 1, 100), 8)

    # Sums over spells of 8 vary 8 times as much as sums of independent looks.
    assert 5 < dispersion(spells, 1.0) < 12


def test_before_anything_is_known_some_noise_is_assumed():
    assert Dispersion().factor == 1.5
