"""Rows of the rollout about canaries that fail, and about figures that lie."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, TypeAlias

from tests.bench.figures import Figure, at_least, at_most
from tests.local.sites import await_true, release
from tests.soak.ground import Ground, stand_in_ground
from weathervane.local import gateway, processes
from weathervane.local.ask import ask
from weathervane.local.ports import PortBook
from weathervane.rollout.port import Release

Lie: TypeAlias = Literal["absent", "no numbers", "stale", "too few"]
LIES: tuple[Lie, ...] = ("absent", "no numbers", "stale", "too few")
_RATE = 50.0


def a_canary_crashes(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 10: SIGKILL of the canary in mid-step."""
    plan = ground.plan(steps=(50,), min_requests=100_000)
    slowest, counted, by_canary, stable_errors = 0.0, 0, 0, 0
    with ThreadPoolExecutor(1) as pool:
        for _ in range(times):
            with ground.clients(_RATE) as clients:
                rollout = ground.rollout()
                under_way = pool.submit(rollout.start, ground.good(), plan, ground.probes, "soak")
                canary = ground.await_canary(50)
                ground.site.kill(f"{canary}.1")
                begun = time.monotonic()
                await_true(lambda: ground.routes().canary is None, 60)
                slowest = max(slowest, time.monotonic() - begun)
                state = under_way.result().state
                clients.traffic.await_sent(20)
            assert state
            counted += state.in_all[canary].errors
            by_canary += sum(one["revision"] == canary for one in clients.failed)
            stable_errors += sum(one["revision"] != canary for one in clients.failed)
    yield at_most(f"10: slowest way back of {times}", round(slowest, 2), 30, " s")
    yield at_most("10: requests lost by the stable revision", stable_errors, 0)
    yield at_least("10: requests lost by the canary, that the record counts", counted, by_canary)


def a_canary_fails(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 10, of one that answers nothing well: each loss is counted, and only so many allowed."""
    plan = ground.plan(steps=(50,), min_requests=100_000, min_probes=0)
    stable = ground.stable()
    counted: dict[str, int] = {}
    with ground.clients(_RATE) as clients:
        for number in range(times):
            for behaviour in ("fail", "busy", "drops"):
                canary = release(f"{behaviour}-10-{number}-")
                state = ground.rollout().start(canary, plan, (), "soak").state
                assert state
                counted |= {name: counts.errors for name, counts in state.in_all.items()}
    lost = Counter(one["revision"] for one in clients.failed)
    others = lost.pop(stable, 0) + lost.pop(None, 0)
    missed = sum(abs(number - lost[name]) for name, number in counted.items() if name != stable)
    most, allowed = max(lost.values()), plan.max_failed_requests
    yield at_most(f"10: requests lost to a failing canary, most of {3 * times}", most, allowed)
    yield at_most("10: of those, not in its count", missed, 0)
    yield at_most("10: requests lost by anybody else", others, 0)


def never_ready(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 11: one whose package is not there, and one that starts and hangs."""
    plan = ground.plan(steps=(50,), start_seconds=2)
    refused, reached, slowest = 0, 0, 0.0
    before = ground.live()
    with ground.clients(_RATE) as clients, ThreadPoolExecutor(1) as pool:
        stable = ground.stable()
        for number in range(times):
            hangs = number % 2 == 1
            good = ground.good()
            nowhere = Release(digest="0" * 63 + str(number % 10), uri=f"{good.uri[:-64]}{'0' * 64}")
            begun = time.monotonic()
            under_way = pool.submit(
                ground.rollout().start, good if hangs else nowhere, plan, ground.probes, "soak"
            )
            if hangs:
                canary = ground.await_canary(0)
                await_true(lambda name=f"{canary}.1": processes.find(ground.site.state, name))
                for process in processes.find(ground.site.state, f"{canary}.1"):
                    process.suspend()
            refused += not under_way.result().promoted and ground.live() == before
            slowest = max(slowest, time.monotonic() - begun)
    reached = sum(line["revision"] != stable for line in clients.lines)
    yield at_least("11: never ready, taken back", refused, times)
    yield at_most("11: requests that reached one", reached, 0)
    yield at_most(f"11: slowest way back, allowed {plan.start_seconds:g} s", round(slowest, 1), 30)


def wrong_labels(ground: Ground, *, times: int) -> Iterator[Figure]:
    """Row 12: a canary that answers 200 with the wrong labels."""
    caught = weights = 0
    before = ground.live()
    for _ in range(times):
        outcome = ground.rollout().start(ground.bad(), ground.plan(), ground.probes, "soak")
        caught += not outcome.promoted and ground.live() == before
        weights += sum(entry.get("to", 0) > 0 for entry in ground.record())
    yield at_least("12: wrong labels, taken back", caught, times)
    yield at_most("12: of them, got any traffic", weights, 0)
    yield from _wrong_labels_without_probes(ground, times=max(1, times // 10))


def _wrong_labels_without_probes(ground: Ground, *, times: int) -> Iterator[Figure]:
    """What the shift of the live answers sees, at 10 % of the traffic."""
    plan = ground.plan(steps=(10, 50), min_probes=0, min_requests=100_000, max_shift=0.3)
    seen = 0
    with ground.clients(_RATE):
        for _ in range(times):
            outcome = ground.rollout().start(ground.bad(), plan, (), "soak")
            at_10 = max(entry["weight"] for entry in ground.record()) == 10
            seen += not outcome.promoted and at_10 and "differ from stable's" in outcome.why
    yield at_least("12: without probes, seen by the shift of answers at 10 %", seen, times)


def figures_lie(*, times: int) -> Iterator[Figure]:
    """Row 14: the gateway's figures are missing, no numbers, stale, or too few; each elsewhere."""
    with ThreadPoolExecutor(len(LIES)) as pool:
        believed = pool.map(lambda lie: _believed(lie, times), LIES)
        for lie, promoted in zip(LIES, believed, strict=True):
            yield at_most(f"14: promoted on figures that are {lie}, of {times}", promoted, 0)


def _believed(lie: Lie, times: int) -> int:
    """How many of so many rollouts were promoted on it."""
    promoted = 0
    with stand_in_ground() as ground, ground.clients(_RATE) as clients:
        plan = ground.plan(
            steps=(50,),
            # More than there are, where that is the lie.
            min_requests=100_000 if lie == "too few" else 20,
            patience_seconds=1,
        )
        for _ in range(times):
            with _told(ground, lie):
                outcome = ground.rollout().start(ground.good(), plan, (), "soak")
            promoted += outcome.promoted
            # Without traffic the row would show nothing.
            clients.traffic.await_sent(5)
    return promoted


@contextmanager
def _told(ground: Ground, lie: Lie) -> Iterator[None]:
    """Let the gateway's figures be read through somebody who lies about them."""
    book = PortBook(ground.site.state / "ports.json")
    real = book.get(gateway.ADMIN) or 0
    first: dict[str, str] = {}

    class Liar(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = ask(real, self.path)
            status, text = answer.status, answer.text
            if self.path.startswith("/stats/prometheus"):
                if lie == "absent":
                    status = 503
                elif lie == "no numbers":
                    text = re.sub(r" \d+$", " NaN", text, flags=re.MULTILINE)
                elif lie == "stale":
                    text = first.setdefault(self.path, text)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        book.put(gateway.ADMIN, server.server_address[1])
        try:
            yield
        finally:
            book.put(gateway.ADMIN, real)
            server.shutdown()
            thread.join()
