"""What the trials of a predictor saw, held against the bounds of each.

In: outcomes and measurements of one trial. Out: its figures. Pure, so that every bound can be seen
to fail without breaking a server for it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from statistics import median

from tests.bench.figures import Figure, at_least, at_most, holds, noted
from tests.predictor.seen import Drained, Left
from tests.predictor.wire import Outcome

MEBIBYTE = 1024 * 1024
# What the operator of this predictor wants for 99 in 100 requests.
OBJECTIVE_SECONDS = 0.25
NORMAL_SECONDS = 10
_LOAD_SECONDS = 60  # after a store is back
_OUR_FAULT = {"no answer", "bad form", "our fault", *(str(code) for code in range(500, 600))}


@dataclass(frozen=True)
class Footprint:
    """Of a process, at one moment."""

    rss: int  # bytes
    descriptors: int
    threads: int


def p99(outcomes: Sequence[Outcome]) -> float:
    """Seconds within which 99 in 100 answered requests were answered: one of those measured."""
    seconds = sorted(one.seconds for one in outcomes if one.status == 200)
    return seconds[ceil(0.99 * len(seconds)) - 1] if seconds else inf


def _answers(outcomes: Sequence[Outcome]) -> str:
    """By status; 0 is none."""
    statuses = Counter(one.status for one in outcomes)
    return ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items()))


def overload(
    capacity: float, seconds: float, outcomes: Sequence[Outcome], back: float
) -> list[Figure]:
    """Row 5. ``back``: seconds until half the capacity was answered as ever."""
    statuses = {one.status for one in outcomes}
    silent = sum(one.status != 200 and not one.retry_after for one in outcomes)
    return [
        noted("overload: capacity, 2,000 x 2,000 pixels, 4 clients", f"{capacity:.0f}/s"),
        holds(
            f"answers at 1.5 x capacity for {seconds:g} s",
            _answers(outcomes),
            "200, 429, 503",
            statuses <= {200, 429, 503},
        ),
        # A load that nobody is refused for shows nothing.
        at_least("of them refused", sum(one.status != 200 for one in outcomes), 1),
        at_most("of them refused without Retry-After", silent, 0),
        at_most("admitted p99", round(p99(outcomes), 3), 2 * OBJECTIVE_SECONDS, " s"),
        at_most("normal again after", round(back, 1), NORMAL_SECONDS, " s"),
    ]


def is_normal(outcomes: Sequence[Outcome]) -> bool:
    """Whether requests are answered as if there had been no overload."""
    return all(one.status == 200 for one in outcomes) and p99(outcomes) <= OBJECTIVE_SECONDS


def burst(outcomes: Sequence[Outcome], *, alive: bool) -> list[Figure]:
    """Row 6."""
    return [
        holds(
            "burst 1 → 3 x below capacity: answers",
            _answers(outcomes),
            "200",
            {one.status for one in outcomes} == {200},
        ),
        holds("burst: restarts", "0" if alive else "1", "0", alive),
    ]


def long_run(requests: int, failed: int, seen: Sequence[Footprint]) -> list[Figure]:
    """Row 7. ``seen``: after what grows once, then after each part."""
    first, last = seen[0], seen[-1]
    return [
        at_most(f"long run, {requests} requests: failed", failed, 0),
        at_most("growth of memory", round((last.rss - first.rss) / MEBIBYTE, 1), 32, " MiB"),
        at_most("more descriptors", last.descriptors - first.descriptors, 0),
        at_most("more threads", last.threads - first.threads, 0),
    ]


def ends(rounds: Sequence[Drained]) -> list[Figure]:
    """Row 8."""
    apart = min(one.refused - one.ready_fell for one in rounds)
    return [
        at_most(
            f"SIGTERM x {len(rounds)} with {sum(one.sent for one in rounds)} requests: lost",
            sum(one.lost for one in rounds),
            0,
        ),
        holds(
            "readiness falls before the listener closes, by at least",
            f"{apart:.2f} s",
            "> 0 s",
            apart > 0,
        ),
        at_most("ends with another exit code than 0", sum(one.exit_code != 0 for one in rounds), 0),
    ]


def store_faults(lasted: float, after: Mapping[str, float]) -> list[Figure]:
    """Row 24. ``after``: seconds from the end of each fault until it served."""
    return [
        at_most(
            f"store {fault} for {lasted:g} s, never ready; then after",
            round(seconds, 1),
            _LOAD_SECONDS,
            " s",
        )
        for fault, seconds in after.items()
    ]


def fuzzing(cases: int, seen: Mapping[str, int], *, healthy: bool) -> list[Figure]:
    """Row 29. ``seen``: how many answers of each kind."""
    often = Counter(seen).most_common(8)
    return [
        at_most(
            f"fuzzing, {cases} cases: 5xx, lost, in bad form",
            sum(number for kind, number in seen.items() if kind in _OUR_FAULT),
            0,
        ),
        at_most("answered after more than 2 s", seen.get("late", 0), 0),
        holds("healthy afterwards", "yes" if healthy else "no", "yes", healthy),
        noted("answers", ", ".join(f"{number} x {kind}" for kind, number in often)),
    ]


def mixed(sent: int, lost: int) -> list[Figure]:
    """Row 30."""
    return [at_most(f"{sent} good requests, each after a bad one: lost", lost, 0)]


def bombs(
    wrong: int,
    growth: float,
    alone: Sequence[Sequence[Outcome]],
    beside: Sequence[Sequence[Outcome]],
) -> list[Figure]:
    """Row 31. ``growth`` in mebibytes; neighbours alone and beside, in turns."""
    turns = [(p99(one), p99(other)) for one, other in zip(alone, beside, strict=True)]
    every = [one for turn in (*alone, *beside) for one in turn]
    return [
        at_most("bombs that were not refused as they should", wrong, 0),
        at_most("growth of memory over them", round(growth, 1), 8, " MiB"),
        holds(
            "answers to neighbours",
            _answers(every),
            "200",
            {one.status for one in every} == {200},
        ),
        noted("p99 of neighbours alone", f"{1000 * median(one for one, _ in turns):.1f} ms"),
        at_most(
            f"p99 of neighbours beside them, median of {len(turns)}",
            round(median(other / one for one, other in turns), 2),
            1.2,
            " x",
        ),
    ]


def leaving(left: Left) -> list[Figure]:
    """Row 34."""
    return [
        at_most(f"{left.times} clients that left: places lost", left.places_lost, 0),
        at_most("pictures worked on for nobody", left.worked_in_vain, 0),
    ]
