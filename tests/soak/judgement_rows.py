"""Rows of the rollout about its judgement on real traffic: slowness, a wall clock that jumps."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.bench.figures import Figure, at_least, at_most
from tests.local.sites import release
from tests.soak.ground import Ground
from weathervane.rollout.clock import Clock, SystemClock
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Deployment, Release

_LATENCY_RATE = 500.0
_RATE = 50.0
# The defaults, but for what is about other signals. A slack of 10 ms would tolerate a part of what
# is to be found.
_LATENCY_PLAN = Plan(
    steps=(50,),
    hold_seconds=0.5,
    settle_seconds=0.3,
    interval_seconds=0.2,
    patience_seconds=60,
    min_probes=0,
    latency_slack_seconds=0.002,
)


def latency_regressions(ground: Ground, *, equal: int, worse: int) -> Iterator[Figure]:
    """Row 13: equal pairs that go through, and canaries slower by 30 % that do not."""
    ground.serve(release("timed-first-"))
    taken_back = found = 0
    with ground.clients(_LATENCY_RATE):
        for number in range(equal):
            outcome = ground.rollout().start(release(f"timed-{number}-"), _LATENCY_PLAN, (), "soak")
            if not outcome.promoted:
                taken_back += 1
                print(f"13: an equal canary was taken back: {outcome.why}")
        for number in range(worse):
            outcome = ground.rollout().start(release(f"tardy-{number}-"), _LATENCY_PLAN, (), "soak")
            if not outcome.promoted and "p95" in outcome.why:
                found += 1
            else:
                print(f"13: a slower canary was not found: {outcome.why}")
                ground.serve(release(f"timed-again-{number}-"))
    ground.serve(ground.good())
    share = 100 * found / worse
    yield at_least(f"13: slower by 30 %, found, of {worse}", round(share, 1), 95, " %")
    share = 100 * taken_back / equal
    yield at_most(f"13: equal, taken back, of {equal}", round(share, 1), 1, " %")


def the_wall_clock_jumps(ground: Ground, *, times: int, hold_seconds: float) -> Iterator[Figure]:
    """Row 23: an hour forth or back at every look at it; nothing else is decided, nor sooner."""
    # At full length, what a step needs besides its hold is there sooner.
    plan = ground.plan(steps=(50,), hold_seconds=hold_seconds, patience_seconds=60, min_probes=0)
    watched = _Watched(ground.deployment)
    same, chance = 0, Random(23)
    with ground.clients(_RATE) as clients:
        for make in (ground.good, ground.bad):
            steady = _decisions(ground, watched, make(), plan, SystemClock())
            for _ in range(times):
                with _jumping(chance):
                    same += _decisions(ground, watched, make(), plan, _JumpingClock()) == steady
    canarys = [line for line in clients.failed if line["status"] == 500]
    yield at_least("23: decided as by a steady clock", same, 2 * times)
    yield at_least("23: promoted, after a hold of", len(watched.held), times + 1)
    yield at_least("23: shortest, told by another clock", round(min(watched.held, default=0), 2),
                   plan.hold_seconds, " s")  # fmt: skip
    yield at_most("23: requests lost by anybody but a failing canary",
                  len(clients.failed) - len(canarys), 0)  # fmt: skip


class _Watched:
    """A deployment, and for how many seconds each promoted canary had its weight."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._weighed = 0.0
        self.held: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployment, name)

    def set_weight(self, percent: int) -> None:
        self._deployment.set_weight(percent)
        self._weighed = time.monotonic()

    def promote(self) -> None:
        self.held.append(time.monotonic() - self._weighed)
        self._deployment.promote()


def _decisions(
    ground: Ground, deployment: _Watched, package: Release, plan: Plan, clock: Clock
) -> list[str]:
    """What made a rollout go on or end."""
    Rollout(deployment, ground.journal, clock=clock).start(package, plan, (), "soak")
    told = [str(entry.get("decision")) for entry in ground.record()]
    return [decision for decision in told if decision in ("SetWeight", "Promote", "Rollback")]


class _JumpingClock(SystemClock):
    """The machine's, an hour late or early, in turn."""

    _by = timedelta(hours=1)

    def now(self) -> datetime:
        self._by = -self._by
        return super().now() + self._by


@contextmanager
def _jumping(chance: Random) -> Iterator[None]:
    """Let what asks for the seconds since 1970 be deceived as well."""
    real: Callable[[], float] = time.time
    time.time = lambda: real() + chance.choice((-3600, 3600))
    try:
        yield
    finally:
        time.time = real
