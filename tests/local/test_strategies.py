"""Each strategy, and what people ask, through real Envoy with clients."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.local.sites import await_true
from tests.soak.ground import Ground, stand_in_ground
from weathervane.errors import ExitCode
from weathervane.rollout.asking import Asking
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import PlanStep, Strategy
from weathervane.rollout.state import Phase, RolloutState
from weathervane.rollout.wishes import Kind

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with stand_in_ground() as ground:
        yield ground


@contextmanager
def beside(ground: Ground, **plan: Any) -> Iterator["Future[Outcome]"]:
    """A rollout in a thread of its own, which ends with the test however that ends."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(
                ground.rollout().start, ground.good(), ground.plan(**plan), (), "test"
            )
        finally:
            ground.rollout().abort("test", "the test is over")


def held(ground: Ground) -> RolloutState:
    """The rollout, once it waits for a person."""

    def waits() -> bool:
        state = ground.rollout().unfinished()
        return state is not None and bool(state.held)

    await_true(waits, 60)
    state = ground.rollout().unfinished()
    assert state
    return state


def test_a_shadow_gets_copies_and_no_client_gets_its_answers(ground: Ground):
    before = ground.live()
    with ground.clients(100) as clients:
        outcome = ground.rollout().start(
            ground.good(), ground.plan(strategy=Strategy.SHADOW, mirror_percent=50), (), "test"
        )

    assert outcome.exit_code is ExitCode.DONE
    assert outcome.state
    assert outcome.state.phase is Phase.CONCLUDED
    assert ground.live() == before
    assert clients.failed == []
    (shadow,) = set(outcome.state.in_all) - {ground.stable()}
    assert outcome.state.in_all[shadow].requests >= 5
    assert {line["revision"] for line in clients.lines} == {ground.stable()}


def test_blue_green_loses_no_request(ground: Ground):
    with ground.clients(100) as clients:
        good = ground.good()
        outcome = ground.rollout().start(
            good, ground.plan(strategy=Strategy.BLUE_GREEN), (), "test"
        )
        clients.traffic.await_sent(50)

    assert outcome.promoted
    assert ground.live() == (good.digest, False, 0)
    assert clients.failed == []


def test_a_step_begins_when_somebody_elsewhere_approves_it(ground: Ground):
    steps = (20, PlanStep(weight=60, pause=True))
    with ground.clients(100) as clients, beside(ground, steps=steps) as under_way:
        assert held(ground).awaits == 60
        assert ground.live()[2] == 20

        asking = Asking(ground.journal)
        assert asking.heeded(asking.ask(Kind.APPROVE, "anna", "looks good"), within=10)
        outcome = under_way.result(60)

    assert outcome.promoted
    assert clients.failed == []
    (asked,) = [entry for entry in ground.record() if entry["event"] == "request"]
    assert (asked["who"], asked["why"], asked["step"]) == ("anna", "looks good", 60)


def test_an_abort_while_a_person_is_waited_for_takes_all_traffic_away_in_time(ground: Ground):
    steps = (20, PlanStep(weight=60, pause=True))
    plan = {"steps": steps, "interval_seconds": 3}
    with ground.clients(100) as clients, beside(ground, **plan) as under_way:
        held(ground)
        begun = time.monotonic()
        ended = ground.rollout().abort("anna", "not today")
        took = time.monotonic() - begun
        outcome = under_way.result(60)

    assert ended
    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert ground.live()[1:] == (False, 0)
    # Row 21 of the bar.
    assert took <= 10
    assert clients.failed == []
