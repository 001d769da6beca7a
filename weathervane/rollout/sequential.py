"""Tests that may be looked at as often as one likes. Numbers in, numbers out.

In: what happened since the last look. Out: evidence against a hypothesis, as an e-process: if the
hypothesis holds, the chance that the evidence ever reaches 1/a is at most a, over all looks
together (Ville 1939). Ramdas, Grünwald, Vovk & Shafer, "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38 (2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log, log1p

# What is not staked at the beginning is kept for a canary that turns bad later: at every new
# start, and a little at every look, a part of the rest is staked. As the mixtures of Shin, Ramdas
# & Rinaldo, "E-detectors", New England Journal of Statistics in Data Science (2024).
_FIRST_STAKE = 0.5
_START_STAKE = 1 / 3
_LOOK_STAKE = 0.002
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


@dataclass(frozen=True)
class _Level:
    """Blocks of one size: their number, sums over them, and one that waits for its pair."""

    blocks: int = 0
    deviation: float = 0.0
    variance: float = 0.0
    squares: float = 0.0  # of deviation² / variance
    waiting: tuple[float, float] | None = None

    def with_block(self, deviation: float, variance: float) -> "_Level":
        return _Level(
            self.blocks + 1,
            self.deviation + deviation,
            self.variance + variance,
            self.squares + deviation * deviation / variance,
            self.waiting,
        )

    @property
    def dispersion(self) -> float:
        """Pearson's, about a steady drift, which is no noise; drawn towards `_PRIOR`."""
        residual = self.squares - self.deviation**2 / self.variance
        return (residual + _PRIOR * _PRIOR_BLOCKS) / (self.blocks - 1 + _PRIOR_BLOCKS)


_LEVELS = 6
_MIN_BLOCKS = 6
_PRIOR = 1.5
_PRIOR_BLOCKS = 6.0
# Below this a count's square says little.
_BLOCK_VARIANCE = 1.0


@dataclass(frozen=True)
class Dispersion:
    """How many times more a count varies than independent requests would let it.

    Slow spells of one revision come in clusters. Sums over blocks of looks show them: the
    variance of a block's sum over the sum of its variances grows with the block until the block
    is longer than the spells. Flyvbjerg & Petersen, "Error estimates on averages of correlated
    data", J. Chem. Phys. 91 (1989).
    """

    levels: tuple[_Level, ...] = (_Level(),) * _LEVELS
    # The block that is not full yet.
    deviation: float = 0.0
    variance: float = 0.0

    @property
    def factor(self) -> float:
        """At least 1: the largest over all block sizes of which there are enough."""
        known = [level.dispersion for level in self.levels if level.blocks >= _MIN_BLOCKS]
        return max(1.0, *known) if known else _PRIOR

    def after(self, deviation: float, variance: float) -> "Dispersion":
        """Add a look: a count minus its mean, and its variance, if requests were independent."""
        deviation, variance = self.deviation + deviation, self.variance + variance
        if variance < _BLOCK_VARIANCE:
            return replace(self, deviation=deviation, variance=variance)
        levels = list(self.levels)
        for number, level in enumerate(levels):
            full = level.with_block(deviation, variance)
            if full.waiting is None:
                levels[number] = replace(full, waiting=(deviation, variance))
                break
            deviation, variance = deviation + full.waiting[0], variance + full.waiting[1]
            levels[number] = replace(full, waiting=None)
        return Dispersion(tuple(levels))
