from dataclasses import replace
from itertools import pairwise
from math import isnan

import pytest

from weathervane.rollout.counts import (
    LATENCY_BOUNDS,
    Counts,
    observe_latencies,
    quantile,
    slower_than,
)


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
        pytest.param(replace(counts(12, 1), retried=0), id="fewer retried"),
    ],
)
def test_counters_that_shrank_started_again(now: Counts):
    assert now.since(replace(counts(10, 1), retried=1)) == now


def test_no_requests_have_no_latency_but_no_errors_either():
    assert isnan(Counts().latency_quantile(0.95))
    assert Counts().error_rate == 0


def test_a_quantile_is_linear_inside_its_bucket():
    # 100 requests in the bucket from 0.11 to 0.12 seconds.
    assert counts(100, seconds=0.12).latency_quantile(0.5) == pytest.approx(0.115)


def test_a_quantile_beyond_the_last_finite_bound_is_that_bound():
    assert counts(10, seconds=60).latency_quantile(0.95) == LATENCY_BOUNDS[-2]


def test_a_negative_latency_is_refused():
    with pytest.raises(ValueError, match="from 0 on"):
        observe_latencies([-0.1])


def test_the_buckets_rise_by_whole_milliseconds_and_then_by_tenths():
    milliseconds = [bound * 1000 for bound in LATENCY_BOUNDS[:-1]]

    assert milliseconds == pytest.approx([round(bound) for bound in milliseconds])
    for below, above in pairwise(milliseconds):
        assert below < above
        assert above - below <= max(1, 0.16 * below)


@pytest.mark.parametrize(
    ("seconds", "slower"),
    [(0.0, 10), (0.11, 10), (0.115, 5), (0.12, 0), (11.0, 0)],
)
def test_requests_beyond_a_mark_are_linear_inside_its_bucket(seconds: float, slower: float):
    assert slower_than(seconds, counts(10, seconds=0.12).latency) == pytest.approx(slower)


def test_what_is_beyond_the_last_bound_is_slower_than_anything():
    assert slower_than(50.0, counts(3, seconds=60).latency) == 3


def test_quantiles_take_counts_that_faded():
    faded = tuple(0.1 * count for count in counts(7, seconds=0.12).latency)

    assert quantile(faded, 1.0) == pytest.approx(0.12)
