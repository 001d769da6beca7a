"""Pictures against a baseline, or against other pictures: what `shift` compares, made from sources.

In: sources, or baselines as JSON, here or in the store. Out: a `Shift`, or a report that has it.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from weathervane.config import ShiftConfig, store_from_environment
from weathervane.data.baseline import Baseline, make_baseline
from weathervane.data.features import measure_all
from weathervane.data.report import Report
from weathervane.data.shift import compare
from weathervane.data.sources import is_address, list_pictures, local_source

Progress = Callable[[int, int], None]

_BASELINE = ".json"


def with_shift(
    report: Report, place: Path, config: ShiftConfig, progress: Progress | None = None
) -> Report:
    """The report on the pictures at ``place``, compared with ``config.against``.

    Raises:
        DataError: when there are no such pictures, or what is named is no baseline.
        StoreError: when the store refuses or does not answer.
    """
    before = baseline_of(config.against, progress)
    now = make_baseline(report.name, measure_all(list_pictures(place), progress))
    return report.with_shift(compare(before, now, config))


def baseline_of(source: str, progress: Progress | None = None) -> Baseline:
    """Read a baseline (``.json``), or make the one of a source.

    Raises:
        DataError: when there are no such pictures, or it is no baseline.
        StoreError: when the store refuses or does not answer.
    """
    with TemporaryDirectory() as scratch:
        if not source.endswith(_BASELINE):
            place = local_source(source, Path(scratch, "pictures"))
            return make_baseline(source, measure_all(list_pictures(place), progress))
        file = Path(source)
        if is_address(source):
            from weathervane.registry.store import Store

            file = Path(scratch, "baseline.json")
            Store(store_from_environment()).download_file(source, file)
        return Baseline.read(file)
