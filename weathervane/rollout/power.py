"""What labelled probes can see: chances, before any picture is sent. Numbers in, numbers out.

The canary is taken back for a loss when it is larger than the plan allows and the exact one-sided
McNemar test calls it no chance. Of d pictures on which the two differ, all of them losses, that
test gives p = 2^-d (McNemar 1947 in the exact binomial form); a canary that also gains on some is
harder to find, so what stands here is the best case. The chance to find a loss is then a binomial
tail over the number of pictures.
"""

from math import floor, log2

from scipy.stats import binom

# Losses are told in whole points, and probes are not counted beyond this.
_MOST_PROBES = 100_000


def losses_needed(probes: int, *, allowed: float, significance: float) -> int:
    """The fewest lost pictures of ``probes`` for which a canary is taken back."""
    no_chance = floor(-log2(significance)) + 1
    return max(no_chance, floor(allowed * probes) + 1)


def chance_to_find(loss: float, probes: int, *, allowed: float, significance: float) -> float:
    """Chance that a canary which loses this share of the pictures is taken back at one look."""
    needed = losses_needed(probes, allowed=allowed, significance=significance)
    return float(binom.sf(needed - 1, probes, loss))


def smallest_loss_found(
    probes: int, *, allowed: float, significance: float, power: float = 0.95
) -> float | None:
    """The smallest loss, in whole points, that is found with ``power``; None: not even a total one.

    Returns a share, 0.01 to 1.
    """
    for points in range(1, 101):
        loss = points / 100
        chance = chance_to_find(loss, probes, allowed=allowed, significance=significance)
        if chance >= power:
            return loss
    return None


def probes_needed(
    loss: float, *, allowed: float, significance: float, power: float = 0.95
) -> int | None:
    """How many probes find this loss with ``power``; None when the plan allows it anyway."""
    if loss <= allowed:
        return None

    def found(probes: int) -> bool:
        chance = chance_to_find(loss, probes, allowed=allowed, significance=significance)
        return chance >= power

    many = 1
    while not found(many):
        many *= 2
        if many > _MOST_PROBES:
            return None
    few = many // 2
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if found(middle) else (middle, many)
    return many
