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
import pyarrow.parquet  # noqa: F401

from weathervane.config import ValidationConfig
from weathervane.data import images
from weathervane.data.images import one_thread_a_picture
from weathervane.data.sources import list_pictures
from weathervane.data.validation import validate


def decode(folder: Path, _: Path | None) -> int:
    """What nobody can do without: reading and decoding every file, on all cores."""
    paths = list_pictures(folder).paths()

    def one(path: str) -> int:
        return images.decode((folder / path).read_bytes()).shape[0]

    with one_thread_a_picture(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(height > 0 for height in pool.map(one, paths))


def check(folder: Path, cache: Path | None) -> int:
    """The complete validation with its reports; how many pictures were readable."""
    with TemporaryDirectory() as out:
        report = validate(folder, ValidationConfig(max_unreadable_share=1), cache=cache)
        report.write(Path(out))
    return len(report.pictures)


def main(task: str, folder: str, cache: str = "") -> None:
    begun = time.perf_counter()
    count = {"decode": decode, "check": check}[task](Path(folder), Path(cache) if cache else None)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "readable": count}))


if __name__ == "__main__":
    main(*sys.argv[1:])
