"""SIGKILL at every step of every change, under load: the next call finishes what was begun."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.local.deaths import killed_at, moments
from tests.local.sites import Site, release
from weathervane.local import processes
from weathervane.local.gateway import NAME

pytestmark = pytest.mark.process


def settled(site: Site) -> bool:
    """Whether exactly what is routed runs, and Envoy knows exactly that."""
    routes = site.gateway.routes()
    assert routes
    live = {route.revision for route in routes.live}
    replicas = {replica.name for route in routes.live for replica in route.replicas}
    return site.gateway.known == live and set(processes.running(site.state)) == {NAME, *replicas}


def test_promote(site, traffic):
    site.deploy()
    load = traffic(rate=100)
    canary = site.canary(weight=20)
    killed = 0
    for _ in moments(site.deployment.promote):
        site.deployment.promote()

        live = site.deployment.observe()
        assert live.stable
        assert (live.stable.name, live.stable.ready, live.canary) == (canary, True, None)
        assert settled(site)
        canary = site.canary(f"next-{killed}", weight=20)
        killed += 1

    assert killed >= 10
    assert {line["status"] for line in load.end()} == {200}


def test_rollback(site, traffic):
    stable = site.deploy()
    load = traffic(rate=100)
    site.canary(weight=20)
    killed = 0
    for _ in moments(lambda: site.deployment.rollback("the test wants it")):
        site.deployment.rollback("the test wants it")

        live = site.deployment.observe()
        assert live.stable
        assert (live.stable.name, live.stable.ready, live.canary) == (stable, True, None)
        assert settled(site)
        site.canary(f"next-{killed}", weight=20)
        killed += 1

    assert killed >= 10
    assert {line["status"] for line in load.end()} == {200}


def test_start_canary(site, traffic):
    stable = site.deploy()
    load = traffic(rate=100)
    killed = 0
    for _ in moments(lambda: site.deployment.start_canary(release("better"))):
        canary = site.canary("better")

        live = site.deployment.observe()
        assert live.stable
        assert (live.stable.name, live.weight) == (stable, 0)
        assert settled(site)
        assert canary != stable
        site.deployment.rollback("again")
        killed += 1

    assert killed >= 6
    assert {line["status"] for line in load.end()} == {200}


def test_set_weight(site, traffic):
    site.deploy()
    canary = site.canary()
    load = traffic(rate=100)
    killed = 0
    for moment in moments(lambda: site.deployment.set_weight(30)):
        weight = 30 + moment
        site.deployment.set_weight(weight)

        live = site.deployment.observe()
        assert live.canary
        assert (live.canary.name, live.weight) == (canary, weight)
        killed += 1

    assert killed >= 2
    assert {line["status"] for line in load.end()} == {200}


def test_a_promotion_that_was_cut_off_retires_nobody_before_the_gateway_has_turned(site, traffic):
    stable = site.deploy()
    canary = site.canary(weight=20)
    load = traffic(rate=100)
    (envoy,) = processes.find(site.state, NAME)
    envoy.suspend()
    # Killed when the new routes are written, and before the gateway has acted on them.
    assert killed_at(1, site.deployment.promote)

    with ThreadPoolExecutor() as pool:
        again = pool.submit(site.deployment.promote)
        with pytest.raises(TimeoutError):
            again.result(timeout=0.5)
        assert {f"{stable}.1", f"{canary}.1"} < set(processes.running(site.state))
        envoy.resume()
        again.result(timeout=5)

    assert settled(site)
    load.await_sent(100)
    assert {line["status"] for line in load.end()} == {200}
