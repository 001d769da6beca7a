"""How many requests a test of fixed size needs: what the sequential tests are measured against.

Each is given what no test has in life: the true rates, the true noise, the one effect to find.
"""

from itertools import islice
from math import ceil, sqrt

import numpy as np
from scipy.stats import norm

from tests.bench.traffic_model import Traffic, World
from weathervane.rollout.counts import quantile, slower_than


def two_proportions(
    canary: float, stable: float, weight: int, *, chance: float, power: float
) -> int:
    """Requests in all to tell two error rates apart, one-sided, ``weight`` percent on the canary.

    Fleiss, Tytun & Ury, Biometrics 36 (1980), without the continuity correction, which only adds.
    """
    ratio = (100 - weight) / weight
    pooled = (canary + ratio * stable) / (1 + ratio)
    under_null = sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    under_effect = sqrt(canary * (1 - canary) + stable * (1 - stable) / ratio)
    root = (norm.isf(chance) * under_null + norm.isf(1 - power) * under_effect) / (canary - stable)
    return ceil(root**2 * (1 + ratio))


def slower_share(
    world: World, weight: int, *, tolerated: float, slack: float, chance: float, power: float
) -> int:
    """Requests in all to see that more of the canary's requests are slow than of stable's.

    The test of `Evidence` with a fixed size: requests beyond stable's p95 against the canary's
    beyond that by what is tolerated. The looks needed are ((z_chance s0 + z_power s1) / drift)²
    (two-sample z test, e.g. Chow, Shao & Wang, "Sample Size Calculations", 2008), where s0, s1
    are the long-run deviations of a look with no effect beyond the tolerated one and with the
    effect: with correlated looks those, not the single look's, count (Kish 1965, design effect).
    """
    mark = _usual_p95(world, weight)
    bound = mark * tolerated + slack
    edge = World(shape=world.shape)
    null, per_look = _differences(edge, weight, mark, mark)
    effect, _ = _differences(world, weight, bound, mark)
    root = norm.isf(chance) * _long_run(null) + norm.isf(1 - power) * _long_run(effect)
    return ceil((root / float(np.mean(effect))) ** 2 * per_look)


_LOOKS = 6000
# Longer than any slow spell lasts.
_BLOCK = 50


def _usual_p95(world: World, weight: int) -> float:
    latency = np.zeros(1)
    for _, stable in islice(Traffic(World(shape=world.shape), 1).looks(weight), 1000):
        latency = latency + np.array(stable.latency)
    return quantile(latency.tolist(), 0.95)


def _differences(
    world: World, weight: int, canary_mark: float, stable_mark: float
) -> tuple[np.ndarray, float]:
    """The canary's slow requests less its part of all slow ones, look by look; requests a look."""
    differences = []
    requests = 0
    for canary, stable in islice(Traffic(world, 2).looks(weight), _LOOKS):
        slow = slower_than(canary_mark, canary.latency)
        all_slow = slow + slower_than(stable_mark, stable.latency)
        both = canary.requests + stable.requests
        requests += both
        differences.append(slow - all_slow * canary.requests / max(both, 1))
    return np.array(differences), requests / _LOOKS


def _long_run(differences: np.ndarray) -> float:
    blocks = differences.reshape(-1, _BLOCK).sum(axis=1)
    return float(np.std(blocks, ddof=1)) / sqrt(_BLOCK)
