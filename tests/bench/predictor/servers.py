"""Our predictor and its peers as processes on loopback, each with ports of its own.

In: a package. Out: a `Server` that answers, gone when its context ends.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from predictor.settings import cores
from tests.bench.predictor.wires import (
    JPEG_GRPC,
    JPEG_REST,
    MODEL,
    TENSOR_GRPC,
    TENSOR_JSON,
    WIRES,
    Wire,
)
from weathervane.errors import DeploymentError
from weathervane.local.ask import ask
from weathervane.local.ports import LOOPBACK, number, reserve
from weathervane.registry.package import Package

OURS, STOCK, PLAIN = "ours", "SDK/TF", "FastAPI"

_ROOT = Path(__file__).parents[3]
_HERE = "tests.bench.predictor.peers"
_READY_SECONDS = 120
_LOOK_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Started:
    """What to start a server with."""

    package: Package
    rest: int
    grpc: int
    folder: Path  # its own, for settings and its log


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One server of the comparison."""

    name: str
    command: Callable[[Started], list[str]]
    wires: tuple[Wire, ...] = WIRES
    speaks_v2: bool = True
    ready_path: str = "/v2/health/ready"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running one."""

    process: psutil.Process
    rest: int
    grpc: int
    seconds: float  # from its start until it was ready

    def port(self, wire: Wire) -> int:
        """Where requests over ``wire`` go."""
        return self.rest if wire.rest else self.grpc

    def resident_mebibytes(self) -> float:
        """Resident memory, children included."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 2**20


@contextmanager
def running(peer: Peer, package: Package, folder: Path) -> Iterator[Server]:
    """Start a server, wait until it is ready; ``folder`` keeps its log.

    Raises:
        DeploymentError: when it ends or is not ready in time, with its last words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    # Held but never listened on, so that nobody else is given them.
    with reserve() as rest, reserve() as grpc, log.open("wb") as said:
        start = Started(package=package, rest=number(rest), grpc=number(grpc), folder=folder)
        begun = time.perf_counter()
        with subprocess.Popen(
            peer.command(start),
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                _await_ready(peer, process, start.rest, begun + _READY_SECONDS, log)
                yield Server(
                    process=psutil.Process(process.pid),
                    rest=start.rest,
                    grpc=start.grpc,
                    seconds=time.perf_counter() - begun,
                )
            finally:
                # It holds nothing that a graceful end would save.
                process.kill()


def _await_ready(
    peer: Peer, process: "subprocess.Popen[bytes]", port: int, until: float, log: Path
) -> None:
    while True:
        try:
            if ask(port, peer.ready_path).status == 200:
                return
        except OSError:
            pass
        ended = process.poll() is not None
        if ended or time.perf_counter() > until:
            words = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-15:])
            raise DeploymentError(f"{peer.name} {'ended' if ended else 'is not ready'}:\n{words}")
        time.sleep(_LOOK_SECONDS)


def ours(threads: int | None = None) -> Peer:
    """The predictor as it is started, with as many threads as cores unless told otherwise."""
    options = () if threads is None else ("--threads", str(threads))
    return Peer(name=OURS, command=partial(_predictor, options=options))


def peers(mlserver_python: Path) -> tuple[Peer, ...]:
    """What ours is compared with; MLServer lives in an environment of its own."""
    both = (JPEG_REST, TENSOR_JSON, JPEG_GRPC, TENSOR_GRPC)  # it has no binary tensors over REST
    mlserver = partial(_mlserver, python=mlserver_python)
    return (
        Peer(name=STOCK, command=_stock),
        Peer(name="MLServer/TF", command=partial(mlserver, engine="signature"), wires=both),
        Peer(name="MLServer/LiteRT", command=partial(mlserver, engine="litert"), wires=both),
        Peer(
            name=PLAIN,
            command=_plain,
            wires=(JPEG_REST,),
            speaks_v2=False,
            ready_path="/health",
        ),
    )


def _predictor(start: Started, options: tuple[str, ...]) -> list[str]:
    return [
        *(sys.executable, "-m", "predictor", "--revision", f"{MODEL}-00001", "--name", MODEL),
        *("--package", str(start.package.folder), "--digest", start.package.digest),
        *("--host", LOOPBACK, "--http-port", str(start.rest), "--grpc-port", str(start.grpc)),
        *options,
    ]


def _stock(start: Started) -> list[str]:
    ports = (str(start.rest), str(start.grpc))
    return [sys.executable, "-m", f"{_HERE}.stock", str(start.package.folder), *ports]


def _plain(start: Started) -> list[str]:
    return [sys.executable, "-m", f"{_HERE}.plain", str(start.package.folder), str(start.rest)]


def _mlserver(start: Started, *, python: Path, engine: str) -> list[str]:
    with reserve() as metrics:
        settings: Mapping[str, object] = {
            "host": LOOPBACK,
            "http_port": start.rest,
            "grpc_port": start.grpc,
            "metrics_port": number(metrics),
            # Its own default is a log line for each request.
            "debug": False,
            # No other process in between: the fastest way for threads that let go of Python's
            # lock while they compute.
            "parallel_workers": 0,
        }
    model: Mapping[str, object] = {
        "name": MODEL,
        "implementation": f"{_HERE}.runtime.Runtime",
        "parameters": {
            "uri": str(start.package.folder),
            "extra": {"engine": engine, "threads": cores()},
        },
    }
    (start.folder / "settings.json").write_text(json.dumps(settings))
    (start.folder / "model-settings.json").write_text(json.dumps(model))
    program = "from mlserver.cli import main; main()"
    return [str(python), "-c", program, "start", str(start.folder)]
