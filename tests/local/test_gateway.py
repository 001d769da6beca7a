"""The gateway under load, with real Envoy and real requests."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from scipy.stats import binom

from tests.local.sites import NO_STORE, STAND_IN, await_true, release
from weathervane.client import encode_request
from weathervane.local import keeper, processes
from weathervane.local.gateway import NAME
from weathervane.local.serving import Serving
from weathervane.rollout.local import LocalDeployment

pytestmark = pytest.mark.process


def test_no_request_is_lost_over_weights_promotion_and_rollback(site, traffic):
    stable = site.deploy()
    load = traffic()
    canary = site.canary()
    for weight in (10, 50, 25, 100):
        site.deployment.set_weight(weight)
        load.await_sent(250)
    site.deployment.promote()
    load.await_sent(250)
    worse = site.canary("worse", weight=50)
    load.await_sent(250)
    site.deployment.rollback("the test wants it")
    load.await_sent(250)
    lines = load.end()

    assert {line["status"] for line in lines} == {200}
    assert {line["revision"] for line in lines} == {stable, canary, worse}
    assert len(lines) >= 1750
    assert set(processes.running(site.state)) == {NAME, f"{canary}.1"}


@pytest.mark.parametrize("weight", [10, 50])
def test_the_split_is_what_was_asked_for(site, traffic, weight):
    site.deploy()
    canary = site.canary(weight=weight)
    load = traffic(rate=400)
    load.await_sent(2000)

    lines = load.end()

    share = binom(len(lines), weight / 100)
    to_canary = sum(line["revision"] == canary for line in lines)
    assert share.ppf(0.0005) <= to_canary <= share.ppf(0.9995)


def test_a_new_weight_acts_on_return(site, traffic):
    site.deploy()
    canary = site.canary(weight=50)
    load = traffic()
    load.await_sent(100)

    site.deployment.set_weight(0)
    before = site.deployment.counts()[canary].requests
    load.await_sent(300)
    after = site.deployment.counts()[canary].requests
    load.end()

    # A request that was under way at that moment ends a little later.
    assert after - before <= 3


def test_a_new_weight_is_not_claimed_before_the_gateway_acts_on_it(site):
    site.deploy()
    site.canary()
    (envoy,) = processes.find(site.state, NAME)
    envoy.suspend()

    with ThreadPoolExecutor() as pool:
        change = pool.submit(site.deployment.set_weight, 50)
        with pytest.raises(TimeoutError):
            change.result(timeout=0.5)
        envoy.resume()

        assert change.result(timeout=5) is None


@pytest.mark.parametrize("behaviour", ["fail", "busy", "good"])
def test_the_counts_are_what_the_client_saw(site, traffic, behaviour):
    stable = site.deploy()
    canary = site.canary(behaviour, weight=30)
    load = traffic()
    load.await_sent(400)
    lines = load.end()
    seen = Counter(line["revision"] for line in lines)
    # Envoy brings its histograms together four times a second.
    await_true(lambda: sum(site.deployment.counts()[stable].latency) >= seen[stable])

    counts = site.deployment.counts()

    failed = Counter(line["revision"] for line in lines if line["status"] != 200)
    for name in (stable, canary):
        assert (counts[name].requests, counts[name].errors) == (seen[name], failed[name])
        assert sum(counts[name].latency) == seen[name]
    assert failed[canary] == (0 if behaviour == "good" else seen[canary])


def test_requests_that_a_killed_predictor_loses_are_counted_and_attributed(site, traffic):
    stable = site.deploy()
    canary = site.canary("slow", weight=50)
    load = traffic()
    load.await_sent(100)

    site.kill(f"{canary}.1")
    load.await_sent(100)
    live = site.deployment.observe()
    lines = load.end()

    failed = [line for line in lines if line["status"] != 200]
    assert {line["status"] for line in failed} == {503}
    assert {line["revision"] for line in failed} == {canary}
    assert len(failed) > 40
    counts = site.deployment.counts()
    assert counts[canary].errors == len(failed)
    assert counts[stable].errors == 0
    assert counts[stable].requests + counts[canary].requests == len(lines)
    assert live.canary
    assert not live.canary.ready
    assert f"process {canary}.1 has ended" in live.canary.message


@pytest.fixture
def two_replicas(site):
    """The site, where each new revision has two replicas."""
    site.deployment = LocalDeployment(
        site.state, "weather", NO_STORE, replicas=2, predictor=STAND_IN
    )
    return site


def test_one_of_two_replicas_is_killed_and_no_request_is_lost(two_replicas, traffic):
    site = two_replicas
    stable = site.deploy("slow")
    load = traffic(rate=80)
    load.await_sent(40)

    site.kill(f"{stable}.1")
    load.await_sent(160)
    live = site.deployment.observe()
    counts = site.deployment.counts()[stable]
    lines = load.end()

    assert {line["status"] for line in lines} == {200}
    assert live.stable
    assert not live.stable.ready
    assert f"process {stable}.1 has ended" in live.stable.message
    # At any moment some fourteen requests wait for the replica that was killed.
    assert 1 <= counts.retried <= counts.requests / 4
    assert counts.errors == 0


def test_a_failure_that_a_second_try_hides_from_the_client_is_counted(two_replicas, traffic):
    site = two_replicas
    site.deploy()
    canary = site.canary("half", weight=50)
    load = traffic(rate=200)
    load.await_sent(800)
    lines = load.end()

    dropped = processes.log_file(site.state, f"{canary}.1").read_text().count("dropped")
    counts = site.deployment.counts()[canary]
    assert {line["status"] for line in lines} == {200}
    assert counts.retried == dropped > 0
    assert counts.errors == 0
    assert counts.requests == sum(line["revision"] == canary for line in lines)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_request_whose_every_try_fails_is_one_request_and_one_error(site, traffic, replicas):
    site.deploy()
    site.deployment = LocalDeployment(
        site.state, "weather", NO_STORE, replicas=replicas, predictor=STAND_IN
    )
    canary = site.canary("drops", weight=50)
    load = traffic(rate=200)
    load.await_sent(400)
    lines = [line for line in load.end() if line["revision"] == canary]

    counts = site.deployment.counts()[canary]
    assert {line["status"] for line in lines} == {503}
    assert (counts.requests, counts.errors, counts.retried) == (len(lines), len(lines), 0)


def test_a_replica_that_ended_comes_up_again_at_its_port_and_serves(two_replicas, traffic):
    site = two_replicas
    stable = site.deploy()
    before = site.gateway.routes()
    site.kill(f"{stable}.2")

    Serving(site.state, NO_STORE, predictor=STAND_IN).resume()
    site.await_ready()

    assert site.gateway.routes() == before
    assert set(processes.running(site.state)) == {NAME, f"{stable}.1", f"{stable}.2"}


def test_a_stable_replica_that_ended_is_brought_back_and_a_canary_that_ended_is_not(two_replicas):
    site = two_replicas
    stable = site.deploy()
    canary = site.canary(weight=10)
    before = site.gateway.routes()
    command = (sys.executable, "-P", "-m", "weathervane.local.keeper", str(site.state), *STAND_IN)
    processes.start(site.state, keeper.NAME, command, environment=NO_STORE.as_environment())

    site.kill(f"{canary}.1")
    site.kill(f"{stable}.2")
    await_true(lambda: site.deployment.observe().stable.ready)

    assert site.gateway.routes() == before
    assert not processes.find(site.state, f"{canary}.1")


def test_a_slow_request_is_finished_before_its_revision_is_retired(site, traffic):
    site.deploy("slow")
    load = traffic(rate=40)
    site.canary()
    load.await_sent(20)

    site.deployment.promote()
    load.await_sent(20)

    assert {line["status"] for line in load.end()} == {200}


def test_latencies_are_in_the_buckets_that_the_judgement_uses(site, traffic):
    site.deploy()
    canary = site.canary("slow", weight=50)
    load = traffic(rate=60)
    load.await_sent(60)
    load.end()
    await_true(lambda: sum(site.deployment.counts()[canary].latency) > 0)

    assert 0.3 <= site.deployment.counts()[canary].latency_quantile(0.5) <= 0.5


def test_a_restarted_gateway_keeps_roles_and_weight(site, traffic):
    stable = site.deploy()
    canary = site.canary(weight=25)
    before = site.deployment.observe()

    site.kill(NAME)
    site.restart_gateway()
    load = traffic()
    load.await_sent(300)
    lines = load.end()

    assert site.deployment.observe() == before
    assert {line["status"] for line in lines} == {200}
    counts = site.deployment.counts()
    assert counts[stable].requests + counts[canary].requests == len(lines)
    assert counts[canary].requests > 0


def test_without_a_gateway_a_weight_is_refused_and_figures_are_absent(site):
    site.deploy()
    site.canary()
    site.kill(NAME)

    assert site.deployment.counts() == {}
    with pytest.raises(Exception, match="gateway does not run"):
        site.deployment.set_weight(10)


def test_a_client_chooses_neither_its_retries_nor_its_time(site):
    site.deploy("slow")
    body, headers = encode_request(b"picture")
    envoys = {
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-retry-on": "5xx",
        "x-envoy-max-retries": "5",
        "x-envoy-upstream-alt-stat-name": "elsewhere",
    }

    answer = httpx.post(
        f"{site.address}/v2/models/weather/infer",
        content=body,
        headers={**headers, **envoys, "x-request-id": "mine"},
        trust_env=False,
    )

    assert answer.status_code == 200
    assert {name: answer.json()["headers"].get(name) for name in envoys} == dict.fromkeys(envoys)
    assert answer.json()["headers"]["x-request-id"] == "mine"


def test_a_canary_that_refuses_to_start_says_why(site):
    site.deploy()
    site.deployment.start_canary(release("dies"))

    def message() -> str:
        canary = site.deployment.observe().canary
        assert canary
        assert not canary.ready
        return canary.message

    await_true(lambda: "this package is refused" in message())
