"""Pictures against a baseline, or against other pictures: what `shift` compares, made from sources.

In: sources, or baselines as JSON, here or in the store. Out: a `Shift`, or a report that has it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from weathervane.config import ShiftConfig, store_from_environment
from weathervane.data.baseline import Baseline, make_baseline
from weathervane.data.features import Rows
from weathervane.data.looking import look
from weathervane.data.looks import Looks
from weathervane.data.report import Report
from weathervane.data.scan import Seen
from weathervane.data.shift import compare
from weathervane.data.sources import is_address, local_source
from weathervane.errors import DataError

Progress = Callable[[int, int], None]

_BASELINE = ".json"


def with_shift(
    report: Report, looks: Looks, config: ShiftConfig, progress: Progress | None = None
) -> Report:
    """The report on what was looked at, compared with ``config.against``.

    Raises:
        DataError: when there are no such pictures, or what is named is no baseline.
        StoreError: when the store refuses or does not answer.
    """
    before = baseline_of(config.against, progress)
    now = make_baseline(report.name, figures_of(looks))
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
            return make_baseline(source, figures_of(look(place, progress)))
        file = Path(source)
        if is_address(source):
            from weathervane.registry.store import Store

            file = Path(scratch, "baseline.json")
            Store(store_from_environment()).download_file(source, file)
        return Baseline.read(file)


def figures_of(looks: Looks) -> Mapping[str, Rows]:
    """The figures of every picture that could be decoded, by class.

    Raises:
        DataError: when there is none.
    """
    found = {each.path: each.found for each in looks.looks}
    rows = {}
    for label, paths in looks.listing.classes.items():
        seen = [one.features for path in paths if isinstance(one := found[path], Seen)]
        if seen:
            rows[label] = np.array(seen, np.float32)
    if not rows:
        raise DataError(f"no picture in {looks.listing.folder} can be decoded")
    return rows
