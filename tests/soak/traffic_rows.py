"""Rows of the rollout about clients: none lost, the split as asked for, a weight that acts."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from tests.bench.figures import Figure, at_least, at_most, noted
from tests.local.sites import await_true
from tests.soak.ground import SERVICE, Ground
from weathervane.client import encode_request
from weathervane.local import gateway
from weathervane.local.ask import ask
from weathervane.local.ports import PortBook
from weathervane.local.routes import REVISION_HEADER
from weathervane.rollout.timeline import steps_of

_RATE = 50.0
# Of what the machine can do, which is measured; more than this shows no more and costs CPU.
_SHARE, _MOST = 0.7, 200.0


def full_canary(
    ground: Ground,
    *,
    steps: tuple[int, ...],
    requests_a_step: int,
    points: float,
    rate: float | None,
) -> Iterator[Figure]:
    """Rows 1 and 3: a whole canary under open-loop load; its split at each step.

    Without a ``rate`` it is as many requests a second as the capacity allows.
    """
    plan = ground.plan(steps=steps, min_requests=requests_a_step, patience_seconds=7200)
    capacity = rate or _capacity(ground)
    rate = rate or min(_SHARE * capacity, _MOST)
    with ground.clients(rate) as clients:
        outcome = ground.rollout().start(ground.good(), plan, ground.probes, "soak")
        clients.traffic.await_sent(50)
    assert outcome.state
    labelled = outcome.state.evidence.canary_answers.total
    record = ground.record()
    told = [step for step in steps_of(record, record[-1]["rollout"]) if step.weight]
    off = [abs((step.share or 0) * 100 - step.weight) for step in told]
    yield noted("1: requests a second, of a capacity of", f"{rate:.0f}, {capacity:.0f}")
    yield at_least("1: requests sent", len(clients.lines), len(steps) * requests_a_step)
    yield at_most("1: requests lost over a full canary", len(clients.failed), 0)
    yield at_least("1: promoted", outcome.promoted, 1)
    yield at_least(
        "1: of the canary's requests, answers compared by label",
        round(100 * labelled / sum(step.canary_requests for step in told), 1),
        90,
        " %",
    )
    yield at_least(
        "3: requests at the shortest step", min(s.requests for s in told), requests_a_step
    )
    yield at_most("3: points that the split is off at the worst step", round(max(off), 2), points)


def many_releases(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 2: promoted, and taken back while they answer, but wrongly; again and again."""
    promoted = taken_back = 0
    # Without probes the wrong labels get as far as the traffic.
    blind = ground.plan(steps=(50,), min_probes=0, min_requests=100_000)
    with ground.clients(_RATE) as clients, ThreadPoolExecutor(1) as pool:
        for _ in range(times):
            good = ground.good()
            outcome = ground.rollout().start(good, ground.plan(steps=(50,)), ground.probes, "soak")
            promoted += outcome.promoted and ground.live() == (good.digest, False, 0)
            under_way = pool.submit(ground.rollout().start, ground.bad(), blind, (), "soak")
            ground.await_canary(50)
            ground.rollout().abort("soak", "its labels are wrong")
            under_way.result()
            taken_back += ground.live() == (good.digest, False, 0)
    yield noted("2: requests sent meanwhile", str(len(clients.lines)))
    yield at_least("2: promoted", promoted, times)
    yield at_least("2: taken back at 50 %", taken_back, times)
    yield at_most("2: answers outside of 2xx", len(clients.failed), 0)


def new_weights(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 4: from the call until a request is answered by the weight's word."""
    deployment = ground.deployment
    stable = ground.stable()
    deployment.start_canary(ground.good())
    ground.site.await_ready()
    canary = ground.await_canary(0)
    body, headers = encode_request(ground.pictures[0])
    url = f"{ground.site.address}/v2/models/{SERVICE}/infer"
    seconds = []
    with httpx.Client(trust_env=False, timeout=20) as client:
        for number in range(times):
            weight, revision = ((100, canary), (0, stable))[number % 2]
            begun = time.monotonic()
            deployment.set_weight(weight)
            while True:
                answer = client.post(url, content=body, headers=headers)
                if answer.headers[REVISION_HEADER] == revision:
                    break
            seconds.append(time.monotonic() - begun)
    deployment.rollback("measured")
    p99 = float(np.quantile(seconds, 0.99))
    yield at_most(f"4: a new weight acts, p99 of {times}", round(p99, 3), 2, " s")


def a_replica_dies(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 9: SIGKILL of one of two predictors of the stable revision, under load."""
    revision = ground.stable()
    with ground.clients(_RATE) as clients:
        for number in range(times):
            ground.site.kill(f"{revision}.{1 + number % 2}")
            clients.traffic.await_sent(100)
            ground.serving.resume()
            ground.site.await_ready()
            # A replica that is back is left out for a moment longer; row 9 is about one at a time.
            await_true(lambda: _replicas_in_turn(ground, revision) == 2)
            clients.traffic.await_sent(50)
    counts = ground.deployment.counts()[revision]
    for (status, error), number in Counter(
        (one["status"], str(one["error"])) for one in clients.failed
    ).items():
        print(f"9: {number} answered {status}: {error}")
    answered = 1 - len(clients.failed) / len(clients.lines)
    yield noted("9: requests sent, predictors killed", f"{len(clients.lines)}, {times}")
    # The gateway sends again what is lost. That the other one has too much to do alone, on a busy
    # machine, is an answer.
    unsaved = sum(not str(one["error"]).startswith('{"error"') for one in clients.failed)
    yield at_least("9: answered well", round(answered * 100, 4), 99.9, " %")
    yield at_most("9: lost for all that they were tried again", unsaved, 0)
    yield noted("9: first tries lost", str(counts.retried))


def _capacity(ground: Ground) -> float:
    """Requests a second that are answered well while there are always more."""
    with ground.clients(10_000) as flood:
        flood.traffic.await_sent(1500)
    ended = sorted(one["at"] + one["seconds"] for one in flood.lines if one["status"] == 200)
    # Begin and end are not the steady state.
    inner = ended[len(ended) // 5 : -len(ended) // 5]
    return len(inner) / (inner[-1] - inner[0])


def _replicas_in_turn(ground: Ground, revision: str) -> int:
    """How many replicas of a revision the gateway sends requests to."""
    name = f"cluster.{revision}.membership_healthy"
    port = PortBook(ground.site.state / "ports.json").get(gateway.ADMIN) or 0
    answer = ask(port, "/stats", {"filter": f"^{re.escape(name)}$"})
    return int(answer.text.removeprefix(f"{name}: "))
