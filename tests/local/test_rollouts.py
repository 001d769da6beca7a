"""Whole rollouts on one machine whose platform does not stand still."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.soak.ground import Ground, stand_in_ground
from weathervane.local.gateway import NAME

pytestmark = pytest.mark.process


@pytest.fixture
def ground() -> Iterator[Ground]:
    with stand_in_ground() as ground:
        yield ground


def test_a_rollout_goes_on_when_its_gateway_was_restarted_in_mid_step(ground: Ground):
    good, plan = ground.good(), ground.plan(steps=(50,), min_requests=300)
    with ground.clients(100) as clients, ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(ground.rollout().start, good, plan, (), "test")
        canary = ground.await_canary(50)
        clients.traffic.await_sent(50)

        ground.site.kill(NAME)
        ground.site.restart_gateway()
        outcome = under_way.result(60)

    assert outcome.promoted
    assert outcome.state
    assert ground.live() == (good.digest, False, 0)
    answered = sum(line["revision"] == canary for line in clients.lines)
    assert 0 < outcome.state.in_all[canary].requests <= answered
    assert outcome.state.in_all[canary].errors == 0
    # Nobody's but the gateway's own.
    assert {line["revision"] for line in clients.failed} <= {None}
