"""How much noisier counts are than independent requests would make them. Numbers in, one out."""

from dataclasses import dataclass, replace

# Six block sizes, each twice the last; one is believed from six blocks on, and drawn towards a
# service whose requests come somewhat clustered, as if as many blocks had shown it.
_LEVELS = 6
_MIN_BLOCKS = 6
_PRIOR = 1.5
_PRIOR_BLOCKS = 6.0
# Below this a count's square says little.
_BLOCK_VARIANCE = 1.0


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
