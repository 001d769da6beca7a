"""Every bound of the predictor's soak holds for a good server, and falls short for a bad one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.bench.figures import Figure
from tests.predictor.seen import Drained, Left
from tests.predictor.wire import Outcome
from tests.soak import predictor_figures as told
from tests.soak.predictor_figures import MEBIBYTE, Footprint

QUICK, BUSY = Outcome(200, 0.01), Outcome(503, 0.001, retry_after=True)
ANSWERED = [QUICK] * 990 + [BUSY] * 10
START = Footprint(rss=200 * MEBIBYTE, descriptors=20, threads=9)
DRAINED = Drained(sent=120, lost=0, ready_fell=0.01, refused=0.7, exit_code=0)

OVERLOAD: dict[str, Any] = {"capacity": 50, "seconds": 300, "outcomes": ANSWERED, "back": 1.0}
BURST: dict[str, Any] = {"outcomes": [QUICK] * 100, "alive": True}
LONG_RUN: dict[str, Any] = {"requests": 1000, "failed": 0, "seen": [START, START]}
FUZZED: dict[str, Any] = {"cases": 100, "seen": {"400": 90, "200": 10}, "healthy": True}
BOMBS: dict[str, Any] = {
    "wrong": 0,
    "growth": 1.0,
    "alone": [[QUICK] * 100] * 5,
    "beside": [[QUICK] * 100] * 5,
}


def slow(seconds: float, share: float = 0.02) -> list[Outcome]:
    """A few in a hundred take so long."""
    late = int(100 * share)
    return [Outcome(200, seconds)] * late + [QUICK] * (100 - late)


def short(figures: Sequence[Figure]) -> list[str]:
    return [one.name for one in figures if not one.ok]


@pytest.mark.parametrize(
    ("row", "good", "bad", "name"),
    [
        (told.overload, OVERLOAD, {"outcomes": [*ANSWERED, Outcome(500, 0.1, True)]}, "answers at"),
        (told.overload, OVERLOAD, {"outcomes": [*ANSWERED, Outcome(0, 9.0, True)]}, "answers at"),
        (told.overload, OVERLOAD, {"outcomes": [QUICK] * 100}, "of them refused"),
        (
            told.overload,
            OVERLOAD,
            {"outcomes": [*ANSWERED, Outcome(503, 0.1)]},
            "of them refused w",
        ),
        (told.overload, OVERLOAD, {"outcomes": [*slow(0.51), BUSY]}, "admitted p99"),
        (told.overload, OVERLOAD, {"back": 10.1}, "normal again after"),
        (told.burst, BURST, {"outcomes": [QUICK, BUSY]}, "burst 1"),
        (told.burst, BURST, {"outcomes": [QUICK, Outcome(0, 1.0)]}, "burst 1"),
        (told.burst, BURST, {"alive": False}, "burst: restarts"),
        (told.long_run, LONG_RUN, {"failed": 1}, "long run"),
        (
            told.long_run,
            LONG_RUN,
            {"seen": [START, replace(START, rss=233 * MEBIBYTE)]},
            "growth of memory",
        ),
        (
            told.long_run,
            LONG_RUN,
            {"seen": [START, replace(START, descriptors=21)]},
            "more descriptors",
        ),
        (told.long_run, LONG_RUN, {"seen": [START, replace(START, threads=10)]}, "more threads"),
        (
            told.ends,
            {"rounds": [DRAINED]},
            {"rounds": [DRAINED, replace(DRAINED, lost=1)]},
            "SIGTERM",
        ),
        (
            told.ends,
            {"rounds": [DRAINED]},
            {"rounds": [replace(DRAINED, refused=0.0)]},
            "readiness falls",
        ),
        (
            told.ends,
            {"rounds": [DRAINED]},
            {"rounds": [replace(DRAINED, exit_code=1)]},
            "ends with",
        ),
        (
            told.store_faults,
            {"lasted": 15, "after": {"down": 3.0}},
            {"after": {"down": 61.0}},
            "store down",
        ),
        (told.fuzzing, FUZZED, {"seen": {"500": 1, "200": 99}}, "fuzzing"),
        (told.fuzzing, FUZZED, {"seen": {"no answer": 1}}, "fuzzing"),
        (told.fuzzing, FUZZED, {"seen": {"bad form": 1}}, "fuzzing"),
        (told.fuzzing, FUZZED, {"seen": {"our fault": 1}}, "fuzzing"),
        (told.fuzzing, FUZZED, {"seen": {"late": 1}}, "answered after more than 2 s"),
        (told.fuzzing, FUZZED, {"healthy": False}, "healthy afterwards"),
        (told.mixed, {"sent": 100, "lost": 0}, {"lost": 1}, "100 good requests"),
        (told.bombs, BOMBS, {"wrong": 1}, "bombs that were not"),
        (told.bombs, BOMBS, {"growth": 8.1}, "growth of memory"),
        (told.bombs, BOMBS, {"beside": [[*[QUICK] * 99, BUSY]] * 5}, "answers to neighbours"),
        (told.bombs, BOMBS, {"beside": [slow(0.0121)] * 3 + [[QUICK] * 100] * 2}, "p99 of n"),
        (
            told.leaving,
            {"left": Left(1000, 0, 0)},
            {"left": Left(1000, 1, 0)},
            "1000 clients that left",
        ),
        (
            told.leaving,
            {"left": Left(1000, 0, 0)},
            {"left": Left(1000, 0, 1)},
            "pictures worked on for nobody",
        ),
    ],
)
def test_a_bound_holds_until_it_does_not(
    row: Callable[..., list[Figure]], good: dict[str, Any], bad: dict[str, Any], name: str
):
    assert short(row(**good)) == []
    (fell,) = short(row(**good | bad))
    assert fell.startswith(name)


def test_a_percentile_is_one_of_the_seconds_that_were_measured():
    # Between two of thirty, an interpolation would go beyond the largest.
    assert told.p99([Outcome(200, 0.1)] * 29 + [Outcome(200, 0.2)]) == 0.2
    assert told.p99([Outcome(200, 0.1)] * 199 + [Outcome(200, 0.2)]) == 0.1
    assert told.p99([BUSY]) == float("inf")


@pytest.mark.parametrize(
    ("outcomes", "normal"),
    [([QUICK] * 30, True), ([*[QUICK] * 29, BUSY], False), (slow(0.26), False), ([], False)],
)
def test_normal_is_all_answered_within_the_objective(outcomes: list[Outcome], normal: bool):
    assert told.is_normal(outcomes) is normal
