import numpy as np
import pytest
from scipy.stats import norm

from tests.bench.fixed_samples import two_proportions


@pytest.mark.parametrize("weight", [10, 50])
def test_a_fixed_sample_has_the_power_that_it_was_made_for(weight: int):
    requests = two_proportions(0.04, 0.01, weight, chance=0.01, power=0.9)
    to_canary = requests * weight // 100
    random = np.random.default_rng(1)
    canary = random.binomial(to_canary, 0.04, 4000) / to_canary
    stable = random.binomial(requests - to_canary, 0.01, 4000) / (requests - to_canary)

    pooled = (canary * to_canary + stable * (requests - to_canary)) / requests
    deviation = np.sqrt(pooled * (1 - pooled) * (1 / to_canary + 1 / (requests - to_canary)))
    found = np.mean((canary - stable) / deviation > norm.isf(0.01))

    assert found == pytest.approx(0.9, abs=0.03)
