"""How many requests a test of fixed size needs: what the sequential tests are measured against.

Each is given what no test has in life: the true rates, the true noise, the one effect to find.
"""

from collections.abc import Callable
from itertools import islice
from math import ceil, sqrt

import numpy as np
from scipy.stats import norm

from tests.bench.traffic_model import Floats, Traffic, World, latencies
from weathervane.rollout.counts import slower_than


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
    null, per_look = _differences(World(shape=world.shape), weight, lambda mark: mark)
    effect, _ = _differences(world, weight, lambda mark: mark * tolerated + slack)
    root = norm.isf(chance) * _long_run(null) + norm.isf(1 - power) * _long_run(effect)
    return ceil((root / float(np.mean(effect))) ** 2 * per_look)


_LOOKS = 6000
# Longer than any slow spell lasts.
_BLOCK = 50


def _differences(
    world: World, weight: int, tolerated: Callable[[float], float]
) -> tuple[Floats, float]:
    """The canary's slow requests less its part of all slow ones, look by look; requests a look.

    Stable's p95 is the true one of each look, which follows whatever slows both.
    """
    base = float(np.quantile(latencies(world.shape, 200_000, np.random.default_rng(3)), 0.95))
    traffic = Traffic(world, 2)
    differences = np.empty(_LOOKS)
    requests = 0
    for look, (canary, stable) in enumerate(islice(traffic.looks(weight), _LOOKS)):
        mark = base * traffic.shared_slowness[look]
        slow = slower_than(tolerated(mark), canary.latency)
        all_slow = slow + slower_than(mark, stable.latency)
        both = canary.requests + stable.requests
        requests += both
        differences[look] = slow - all_slow * canary.requests / max(both, 1)
    return differences, requests / _LOOKS


def _long_run(differences: Floats) -> float:
    blocks = differences.reshape(-1, _BLOCK).sum(axis=1)
    return float(np.std(blocks, ddof=1)) / sqrt(_BLOCK)
