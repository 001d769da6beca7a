"""Tests that may be looked at as often as one likes. Numbers in, numbers out.

In: what happened since the last look. Out: evidence against a hypothesis, as an e-process: if the
hypothesis holds, the chance that the evidence ever reaches 1/a is at most a, over all looks
together (Ville 1939). Ramdas, Grünwald, Vovk & Shafer, "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38 (2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, lgamma, log, log1p

# What is not staked at the beginning is kept for a canary that turns bad later: at every new
# start, and a little at every look, a part of the rest is staked. As the mixtures of Shin, Ramdas
# & Rinaldo, "E-detectors", New England Journal of Statistics in Data Science (2024).
_FIRST_STAKE = 0.5
_START_STAKE = 1 / 3
_LOOK_STAKE = 0.002
# A shift is believed as if this many answers before had shown none; bets stay within this ratio.
_SHIFT_PRIOR = 100.0
_MAX_SHIFT = 4.0
# A split that is off is expected to be so by some points: as sure as so many requests make one.
_SPLIT_PRIOR = 100.0
# Enough to end any rollout, and far from overflow.
_ENOUGH = 1e100


@dataclass(frozen=True)
class Wager:
    """An e-process: a mixture over alternatives and over the moments since which they may hold.

    ``running`` is what the bets on each alternative are worth, ``reserve`` what is not staked yet.
    """

    running: tuple[float, ...]
    reserve: float

    @classmethod
    def on(cls, alternatives: int) -> "Wager":
        """The beginning: half of it is staked, in equal parts."""
        return cls((_FIRST_STAKE / alternatives,) * alternatives, 1 - _FIRST_STAKE)

    @property
    def evidence(self) -> float:
        """What 1 has become: 100 is as good as a p-value of 0.01, at any look."""
        return sum(self.running) + self.reserve

    @property
    def p_value(self) -> float:
        """An anytime-valid p-value."""
        return min(1.0, 1 / self.evidence)

    def restarted(self) -> "Wager":
        """Stake anew, as at the beginning of a step."""
        return self._staked(_START_STAKE)

    def after(self, growth: Sequence[float]) -> "Wager":
        """Play one round; ``growth`` is the log of each alternative's e-value in this look."""
        bet = self._staked(_LOOK_STAKE)
        grown = (value * exp(min(by, 200.0)) for value, by in zip(bet.running, growth, strict=True))
        return replace(bet, running=tuple(min(value, _ENOUGH) for value in grown))

    def _staked(self, share: float) -> "Wager":
        each = self.reserve * share / len(self.running)
        return Wager(tuple(value + each for value in self.running), self.reserve * (1 - share))


def odds_growth(
    ratios: Sequence[float], *, hits: float, canary_hits: float, requests: int, canary_requests: int
) -> tuple[float, ...]:
    """Log e-values against "the canary's odds of a hit are at most stable's", in one look.

    Only the look's sums are used: ``hits`` of ``requests`` fell on either revision, and under the
    hypothesis at its edge which ones are the canary's is a draw without replacement, whatever the
    load and the common rate of hits are just now. The e-value for an odds ratio r is
    r^canary_hits over a bound of its mean: drawing with replacement, either the hits or the
    canary's requests (Hoeffding 1963, theorem 4: never less). Turner, Ly & Grünwald, "Generic
    e-variables for exact sequential k-sample tests" (2024); ter Schure, Pérez-Ortiz, Ly &
    Grünwald, "The anytime-valid logrank test" (2024).
    """
    share, rate = canary_requests / requests, hits / requests
    return tuple(
        canary_hits * log(ratio)
        - min(hits * log1p(share * (ratio - 1)), canary_requests * log1p(rate * (ratio - 1)))
        for ratio in ratios
    )


def rate_growth(
    rates: Sequence[float], bound: float, *, hits: int, requests: int
) -> tuple[float, ...]:
    """Log e-values against "the rate of hits is at most ``bound``": likelihood ratios of a coin.

    Wald (1945). ``bound`` and every one of ``rates``, each above it, lie inside of 0 to 1.
    """
    return tuple(
        hits * log(rate / bound) + (requests - hits) * log((1 - rate) / (1 - bound))
        for rate in rates
    )


def shift_growth(kinds: Sequence[tuple[int, int, int, int]]) -> float:
    """Log e-value against "the canary answers as stable does", in one look.

    Each kind of answer is (canary's before, stable's before, canary's now, stable's now). What
    was before says what to bet on: each kind f times as often by the canary. Its answers now are
    a draw without replacement from both revisions' answers; the mean of the product of their f is
    at most the mean f to the number of draws (Maclaurin's inequality).
    """
    canary_before = sum(kind[0] for kind in kinds)
    all_before = canary_before + sum(kind[1] for kind in kinds)
    draws = sum(kind[2] for kind in kinds)
    total = draws + sum(kind[3] for kind in kinds)
    if not draws:
        return 0.0
    growth, mean = 0.0, 0.0
    for before, stable_before, now, stable_now in kinds:
        # Of every kind there is a little before there is any.
        usual = (before + stable_before + 1) / (all_before + len(kinds))
        of_canary = (before + _SHIFT_PRIOR * usual) / (canary_before + _SHIFT_PRIOR)
        times = min(max(of_canary / usual, 1 / _MAX_SHIFT), _MAX_SHIFT)
        growth += now * log(times)
        mean += (now + stable_now) / total * times
    return growth - draws * log(mean)


def split_evidence(canary: int, requests: int, share: float) -> float:
    """Evidence that the canary's part of the requests is not ``share`` (0 to 1), at any look.

    The method of mixtures (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021) for a coin
    whose side has a beta distribution about ``share``: a closed form of the sums alone.
    """
    # At 0 and 100 % a request that was under way is no proof.
    share = min(max(share, 0.001), 0.999)
    of_canary, of_stable = share * _SPLIT_PRIOR, (1 - share) * _SPLIT_PRIOR
    stable = requests - canary
    log_evidence = (
        _log_beta(of_canary + canary, of_stable + stable)
        - _log_beta(of_canary, of_stable)
        - canary * log(share)
        - stable * log(1 - share)
    )
    return exp(min(log_evidence, 200.0))


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
