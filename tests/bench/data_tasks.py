"""``python -m tests.bench.data_tasks TASK FOLDER [CACHE]``: one measurement, in its own process.

Prints JSON: seconds of wall clock without imports, and the process's peak of resident memory.
"""

import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import jinja2  # noqa: F401  imported here, so that no task is charged for it
import numpy as np
import pyarrow.parquet  # noqa: F401

from tests.bench.data_pictures import encoded
from weathervane.config import ValidationConfig
from weathervane.data import images
from weathervane.data.images import one_thread_a_picture
from weathervane.data.scan import scan
from weathervane.data.sources import list_pictures
from weathervane.data.validation import validate


def decode(folder: Path, _: Path | None) -> dict[str, float]:
    """What nobody can do without: reading and decoding every file, on all cores."""
    paths = list_pictures(folder).paths()

    def height_of(path: str) -> int:
        return images.decode((folder / path).read_bytes()).shape[0]

    with one_thread_a_picture(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return {"readable": sum(height > 0 for height in pool.map(height_of, paths))}


def check(folder: Path, cache: Path | None) -> dict[str, float]:
    """The complete validation with its reports; how many pictures were readable."""
    with TemporaryDirectory() as out:
        report = validate(folder, ValidationConfig(max_unreadable_share=1), cache=cache)
        report.write(Path(out))
    return {"readable": len(report.pictures)}


def one(folder: Path, _: Path | None) -> dict[str, float]:
    """What looking at the only picture of a folder takes, once one was looked at before."""
    (listed,) = list_pictures(folder).paths()
    with TemporaryDirectory() as small:
        path = Path(small, "small.png")
        path.write_bytes(encoded(np.zeros((64, 64, 3), np.uint8), ".png"))
        list(scan(Path(small), [path.name]))
    # From here on the peak is counted anew: proc(5), clear_refs.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_kib()
    list(scan(folder, [listed]))
    return {"taken_mib": (_peak_kib() - before) / 1024}


def _peak_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main(task: str, folder: str, cache: str = "") -> None:
    begun = time.perf_counter()
    chosen = {"decode": decode, "check": check, "one": one}[task]
    figures = chosen(Path(folder), Path(cache) if cache else None)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, **figures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
