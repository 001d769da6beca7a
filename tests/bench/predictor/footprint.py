"""How long a start takes and how much memory stays, beside what importing the SDK alone costs."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.predictor.servers import Peer, running
from weathervane.registry.package import Package

_IMPORT = "import kserve; print(flush=True); input()"


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Medians of alternated starts, in seconds, and resident memory in MiB."""

    ready_seconds: float
    import_seconds: float
    import_mebibytes: float


def measure(peer: Peer, package: Package, folder: Path, *, starts: int) -> Footprint:
    """Start ``peer`` and import the SDK, in turn."""
    ready, imports = [], []
    for _ in range(starts):
        imports.append(_import())
        with running(peer, package, folder) as server:
            ready.append(server.seconds)
    return Footprint(
        ready_seconds=statistics.median(ready),
        import_seconds=statistics.median(seconds for seconds, _ in imports),
        import_mebibytes=statistics.median(mebibytes for _, mebibytes in imports),
    )


def _import() -> tuple[float, float]:
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _IMPORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        seconds = time.perf_counter() - begun
        mebibytes = psutil.Process(process.pid).memory_info().rss / 2**20
        process.communicate(b"\n")
    return seconds, mebibytes


def milliseconds(work: Callable[[], object], times: int) -> float:
    """The median time that ``work`` takes in this process."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000
