"""What a set of pictures is like, small enough to keep with a model: quantiles by class.

In: features of pictures. Out: a `Baseline`, kept as JSON, that others are compared with.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from weathervane.data.features import FEATURES, Rows
from weathervane.data.files import write_whole
from weathervane.errors import DataError

# A distribution as evenly spaced quantiles: known to half a percent. Fewer values are all kept.
_QUANTILES = 201

EVERY = ""  # the name of all classes together


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """The pictures of one class, or of all."""

    count: int
    features: Mapping[str, tuple[float, ...]]  # quantiles, rising


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """How the pictures of ``source`` are distributed; of all classes together under `EVERY`."""

    source: str
    classes: Mapping[str, Sketch]

    @property
    def counts(self) -> dict[str, int]:
        """Pictures by class."""
        return {label: each.count for label, each in self.classes.items() if label != EVERY}

    def write(self, path: Path) -> None:
        """Write JSON."""
        text = json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))
        write_whole(path, text.encode())

    @staticmethod
    def read(path: Path) -> "Baseline":
        """Read what `write` wrote.

        Raises:
            DataError: when it is absent, is no baseline, or knows other features.
        """
        try:
            baseline = TypeAdapter(Baseline).validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"cannot read the baseline {path}: {error.strerror}") from error
        except ValidationError as error:
            raise DataError(f"{path} is not a baseline") from error
        known = all(set(each.features) == set(FEATURES) for each in baseline.classes.values())
        if not known or EVERY not in baseline.classes:
            raise DataError(f"{path} is a baseline of other features; make it again")
        return baseline


def make_baseline(source: str, rows: Mapping[str, Rows]) -> Baseline:
    """Of features by class, float32 [n, features]; n is at least 1. Their order does not matter."""
    every = {EVERY: np.concatenate([rows[label] for label in sorted(rows)])}
    return Baseline(
        source=source,
        classes={label: _sketch(each) for label, each in {**every, **rows}.items()},
    )


def _sketch(rows: Rows) -> Sketch:
    if len(rows) > _QUANTILES:
        kept = np.quantile(rows, np.linspace(0, 1, _QUANTILES), axis=0)
    else:
        kept = np.sort(rows, axis=0)
    columns = np.round(kept.T.astype(np.float64), 5).tolist()
    return Sketch(count=len(rows), features=dict(zip(FEATURES, map(tuple, columns), strict=True)))
