"""``python -m tests.soak.predictor``: a predictor under more than it can take, and for long.

Each trial, named by the row of the bar that it shows, is something that a server must survive:
overload, a burst, a long run, an end under load, a store that fails, malformed and oversized
requests, clients that leave. The tests run the same code a few times over. Load and predictor share
the machine, so nothing else should run.

``--rows 5 31`` does some of them, ``--requests 100000`` the long run with a tenth of its million
requests; the table says how many there were.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import uvloop

from tests.bench.figures import Figure, publish
from tests.predictor import faults, fuzz, hostile, trials
from tests.predictor.running import Running, running
from tests.predictor.wire import INFER, Clients, Outcome, head, infer
from tests.soak import predictor_figures as told
from tests.soak.predictor_figures import MEBIBYTE, NORMAL_SECONDS, OBJECTIVE_SECONDS, Footprint
from weathervane.local import processes, store_server
from weathervane.local.ports import PortBook
from weathervane.local.servers import await_ready, launch
from weathervane.registry.package import Package, read_package
from weathervane.registry.store import Store, package_key

Result = TypeVar("Result")

# What the operator lets requests wait for the objective.
WAIT_SECONDS = 1.5 * OBJECTIVE_SECONDS
_NEIGHBOURS_PER_SECOND = 100
_NEIGHBOUR_TURNS = 5


@dataclass(frozen=True)
class Bench:
    """What all trials need, and how often each is done."""

    package: Package
    picture: bytes
    counts: argparse.Namespace

    @contextmanager
    def server(self, *options: str) -> Iterator[Running]:
        folder = str(self.package.folder)
        with running("--package", folder, "--digest", self.package.digest, *options) as server:
            yield server

    def on(self, trial: Callable[[Running], Awaitable[Result]], *options: str) -> Result:
        """One trial on a predictor of its own."""

        async def run(server: Running) -> Result:
            return await trial(server)

        # A client that costs little: it shares the cores with the server.
        with (
            self.server(*options) as server,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            return runner.run(run(server))


async def _capacity(clients: Clients, data: bytes) -> float:
    """Requests a second that are answered when twice as many come as there are threads."""
    await clients.closely(data, 4, 80)
    begun = time.perf_counter()
    outcomes = await clients.closely(data, 4, 400)
    return sum(one.status == 200 for one in outcomes) / (time.perf_counter() - begun)


def overload(bench: Bench) -> list[Figure]:
    """Row 5: half as much again as it can take, open loop."""
    data, seconds = infer(trials.plain(2000)), bench.counts.overload_seconds

    async def trial(server: Running) -> tuple[float, list[Outcome], float]:
        clients = Clients(server.port)
        capacity = await _capacity(clients, data)
        outcomes = await clients.steadily(data, 1.5 * capacity, seconds)
        ended = time.perf_counter()
        while time.perf_counter() - ended < 3 * NORMAL_SECONDS:
            if told.is_normal(await clients.steadily(data, 0.5 * capacity, 1)):
                break
        clients.close()
        return capacity, outcomes, time.perf_counter() - ended

    capacity, outcomes, back = bench.on(trial, "--max-wait-seconds", str(WAIT_SECONDS))
    return told.overload(capacity, seconds, outcomes, back)


def burst(bench: Bench) -> list[Figure]:
    """Row 6: from a quarter of its capacity to three quarters, at once."""
    data = infer(trials.plain(2000))

    async def trial(server: Running) -> tuple[list[Outcome], bool]:
        clients = Clients(server.port)
        capacity = await _capacity(clients, data)
        outcomes = await clients.steadily(data, capacity / 4, 5)
        outcomes += await clients.steadily(data, 3 * capacity / 4, 10)
        clients.close()
        return outcomes, server.process.poll() is None

    outcomes, alive = bench.on(trial)
    return told.burst(outcomes, alive=alive)


def long_run(bench: Bench) -> list[Figure]:
    """Row 7: what grows over many requests."""
    data, requests = infer(bench.picture), bench.counts.requests

    async def trial(server: Running) -> tuple[int, list[Footprint]]:
        process = psutil.Process(server.process.pid)
        clients = Clients(server.port)
        failed, seen = 0, []
        # The first tenth, at most 20,000, is for what grows once.
        parts = [min(requests // 10, 20_000), *[requests // 10] * 10]
        for part in parts:
            outcomes = await clients.closely(data, 8, part)
            failed += sum(one.status != 200 for one in outcomes)
            seen.append(
                Footprint(process.memory_info().rss, process.num_fds(), process.num_threads())
            )
        clients.close()
        return failed, seen

    failed, seen = bench.on(trial)
    return told.long_run(requests, failed, seen)


def ends(bench: Bench) -> list[Figure]:
    """Row 8: SIGTERM with 100 requests under way and new ones arriving."""
    picture = trials.plain(1500)
    options = ("--threads", "1", "--queue", "500", "--max-wait-seconds", "60")
    rounds = [
        bench.on(
            lambda server: trials.drain(server, in_flight=100, picture=picture),
            *(*options, "--drain-seconds", "0.7"),
        )
        for _ in range(bench.counts.ends)
    ]
    return told.ends(rounds)


def store_faults(bench: Bench) -> list[Figure]:
    """Row 24: the store fails while the package loads."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        server = store_server.server(state)
        launch(state, server)
        try:
            await_ready(state, server)
            port = PortBook(state / "ports.json").get(store_server.NAME)
            assert port
            store = Store(store_server.config(state, port))
            store.ensure_bucket()
            digest = bench.package.digest
            place = store.upload_folder(bench.package.folder, package_key("weather", digest))
            lasts = bench.counts.fault_seconds
            after = {
                fault: faults.seconds_to_load(
                    fault, bench.package, place, store.config, state / fault, lasts=lasts
                )
                for fault in faults.FAULTS
            }
            return told.store_faults(lasts, after)
        finally:
            processes.stop(state)


def fuzzing(bench: Bench) -> list[Figure]:
    """Row 29: requests that are almost right."""
    cases, streams = bench.counts.cases, 4

    async def trial(server: Running) -> tuple[Counter[str], bool]:
        share = cases // (2 * streams)
        seen: Counter[str] = Counter()
        for part in await asyncio.gather(
            *(
                fuzz.fuzz_rest(server, fuzz.Mutations(number, bench.picture), share)
                for number in range(streams)
            ),
            *(
                fuzz.fuzz_grpc(server, fuzz.Mutations(100 + number, bench.picture), share)
                for number in range(streams)
            ),
        ):
            seen += part
        return seen, await fuzz.is_healthy(server, bench.picture)

    seen, healthy = bench.on(trial)
    return told.fuzzing(cases, seen, healthy=healthy)


def mixed(bench: Bench) -> list[Figure]:
    """Row 30: good requests after bad ones."""
    bad = trials.bad_requests(bench.picture, over=12 * MEBIBYTE)
    good = infer(bench.picture)
    sent, lost = bench.on(
        lambda server: trials.good_after_bad(server, bad, good, bench.counts.pairs)
    )
    return told.mixed(sent, lost)


def _largest() -> bytes:
    """As much base64 as is read, in chunks: of eight mebibytes that are no picture."""
    tensor = b'{"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["%s"]}]}'
    body = tensor % (b"A" * (8 * MEBIBYTE // 3 * 4))
    parts = (body[at : at + 65536] for at in range(0, len(body), 65536))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return head(INFER, "transfer-encoding: chunked") + chunks + b"0\r\n\r\n"


def bombs(bench: Bench) -> list[Figure]:
    """Row 31: requests that want memory or time, and what their neighbours notice of it."""
    data, seconds = infer(bench.picture), bench.counts.neighbour_seconds

    async def trial(server: Running) -> tuple[int, float, list[list[Outcome]], list[list[Outcome]]]:
        process = psutil.Process(server.process.pid)
        clients = Clients(server.port)

        async def neighbours(lasting: float) -> list[Outcome]:
            return await clients.steadily(data, _NEIGHBOURS_PER_SECOND, lasting)

        async def under_attack(lasting: float) -> tuple[list[Outcome], int]:
            attacker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.predictor.hostile"),
                *(str(server.port), server.grpc, str(lasting)),
                stdout=subprocess.PIPE,
            )
            assert attacker.stdout
            # Importing takes it seconds.
            assert await attacker.stdout.readline() == hostile.BEGUN.encode()
            outcomes = await neighbours(lasting)
            return outcomes, int((await attacker.communicate())[0])

        # What the largest requests that are read leave behind is not the growth that we look for:
        # the C library keeps some of it at hand, for each thread and twice the largest block that
        # was freed (mallopt(3), M_MMAP_THRESHOLD).
        warm = await clients.closely(_largest(), 4, 24)
        assert {one.status for one in warm} <= {400, 503}, warm
        await neighbours(2)
        before = process.memory_info().rss
        alone, beside, wrong = [], [], 0
        for _ in range(_NEIGHBOUR_TURNS):
            alone.append(await neighbours(seconds))
            others, wrongs = await under_attack(seconds)
            beside.append(others)
            wrong += wrongs
        growth = (process.memory_info().rss - before) / MEBIBYTE
        clients.close()
        return wrong, growth, alone, beside

    return told.bombs(*bench.on(trial, "--max-body-seconds", "5"))


def leaving(bench: Bench) -> list[Figure]:
    """Row 34: clients that leave in the middle."""
    queue = 50
    left = bench.on(
        lambda server: trials.leave(
            server, times=bench.counts.leaves, queue=queue, picture=bench.picture, blocking=64
        ),
        *("--threads", "1", "--queue", str(queue), "--max-wait-seconds", "120"),
    )
    return told.leaving(left)


TRIALS = {
    5: overload,
    6: burst,
    7: long_run,
    8: ends,
    24: store_faults,
    29: fuzzing,
    30: mixed,
    31: bombs,
    34: leaving,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.predictor", description=__doc__)
    option = parser.add_argument
    option("--rows", type=int, nargs="+", choices=TRIALS, default=list(TRIALS))
    option("--note", default="", help="what else ran, for whoever reads the figures")
    option("--overload-seconds", type=float, default=300)
    option("--requests", type=int, default=1_000_000)
    option("--ends", type=int, default=50)
    option("--fault-seconds", type=float, default=15)
    option("--cases", type=int, default=100_000)
    option("--pairs", type=int, default=10_000)
    option("--neighbour-seconds", type=float, default=15)
    option("--leaves", type=int, default=1000)
    options = parser.parse_args(arguments)
    code = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "tiny")
        script = Path(__file__).parents[1] / "tiny_package.py"
        # -P: what lies beside the script is no library.
        subprocess.run([sys.executable, "-P", str(script), str(place)], check=True)
        package = read_package(place)
        picture = next(one.picture for one in package.golden() if one.format == "JPEG")
        for number in options.rows:
            begun = time.monotonic()
            figures = TRIALS[number](Bench(package, picture, options))
            print(f"row {number}: {time.monotonic() - begun:.0f} s", flush=True)
            code |= publish(f"make soak-predictor ROWS={number}", figures, options.note)
    return code


if __name__ == "__main__":
    sys.exit(main())
