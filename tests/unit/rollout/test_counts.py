from math import isnan

import pytest

from weathervane.rollout.counts import LATENCY_BOUNDS, Counts, observe_latencies


def counts(requests: int, errors: int = 0, seconds: float = 0.01) -> Counts:
    return Counts(requests, errors, observe_latencies([seconds] * requests))


def test_what_came_since_is_the_difference():
    assert counts(30, 3).since(counts(10, 1)) == counts(20, 2)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(counts(4, 0), id="fewer requests"),
        pytest.param(counts(12, 0), id="fewer errors"),
        pytest.param(counts(12, 1, seconds=0.2), id="fewer in a bucket"),
    ],
)
def test_counters_that_shrank_started_again(now: Counts):
    assert now.since(counts(10, 1)) == now


def test_no_requests_have_no_latency_but_no_errors_either():
    assert isnan(Counts().latency_quantile(0.95))
    assert Counts().error_rate == 0


def test_a_quantile_is_linear_inside_its_bucket():
    # 100 requests in the bucket from 0.1 to 0.15 seconds.
    assert counts(100, seconds=0.12).latency_quantile(0.5) == pytest.approx(0.125)


def test_a_quantile_beyond_the_last_finite_bound_is_that_bound():
    assert counts(10, seconds=60).latency_quantile(0.95) == LATENCY_BOUNDS[-2]


def test_a_negative_latency_is_refused():
    with pytest.raises(ValueError, match="from 0 on"):
        observe_latencies([-0.1])
