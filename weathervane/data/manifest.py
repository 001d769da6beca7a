"""The manifest: every picture that is used, what it shows and which split it belongs to.

In: a validation report. Out: rows, kept as Parquet, and their digest, which is the version of the
data: the same pictures in the same splits have the same digest on every machine.
"""

import hashlib
import io
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from weathervane.config import SplitConfig
from weathervane.data.files import write_whole
from weathervane.data.report import Readable, Report
from weathervane.data.words import count_of
from weathervane.errors import DataError

SPLITS = ("train", "validation", "test", "probe")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One picture."""

    path: str  # relative to the folder of pictures, with `/`
    label: str
    sha256: str  # hex
    phash: str  # perceptual hash, 64 bits, hex
    width: int
    height: int
    split: str  # one of `SPLITS`
    cluster: str  # shared by pictures that are the same; never crosses splits


@dataclass(frozen=True)
class Manifest:
    """Rows, sorted by path."""

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(sorted(self.rows, key=lambda row: row.path)))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted; a label's place is its number everywhere."""
        return tuple(sorted({row.label for row in self.rows}))

    @cached_property
    def digest(self) -> str:
        """sha256 over path, class, sha256 and split of every row, as lines of JSON."""
        lines = sorted(
            json.dumps(
                [unicodedata.normalize("NFC", row.path), row.label, row.sha256, row.split],
                ensure_ascii=False,
                separators=(",", ":"),
            )
            for row in self.rows
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def split(self, name: str) -> tuple[Row, ...]:
        """The rows of one split."""
        return tuple(row for row in self.rows if row.split == name)

    def write(self, path: Path) -> None:
        """Write Parquet, one row a picture."""
        import pyarrow as pa
        from pyarrow import parquet

        kinds = {"width": pa.int32(), "height": pa.int32()}
        schema = pa.schema([(each.name, kinds.get(each.name, pa.string())) for each in fields(Row)])
        table = pa.Table.from_pylist([asdict(row) for row in self.rows], schema=schema)
        buffer = io.BytesIO()
        parquet.write_table(table, buffer)
        write_whole(path, buffer.getvalue())

    @staticmethod
    def read(path: Path) -> "Manifest":
        """Read what `write` wrote.

        Raises:
            DataError: when the file is absent or is no manifest.
        """
        import pyarrow as pa
        from pyarrow import parquet

        try:
            table = parquet.read_table(path, columns=[each.name for each in fields(Row)])
            return Manifest(tuple(Row(**row) for row in table.to_pylist()))
        except OSError as error:
            raise DataError(f"cannot read the manifest {path}: {error}") from error
        except (pa.ArrowException, TypeError, KeyError) as error:
            raise DataError(f"{path} is not a manifest: {error}") from error


def build(report: Report, config: SplitConfig | None = None) -> Manifest:
    """Split the pictures that the report lets through: by class in exact shares, clusters whole.

    The result depends on the pictures, their names and the seed, not on the order of files.

    Raises:
        DataError: when the report did not pass, or a class has too few different pictures to be in
            every split.
    """
    report.require_passed()
    pictures = [picture for picture in report.pictures if not picture.left_out]
    splits = assign_splits(pictures, config or SplitConfig())
    return Manifest(
        tuple(
            Row(
                path=each.path,
                label=each.label,
                sha256=each.sha256,
                phash=each.phash,
                width=each.width,
                height=each.height,
                split=splits[each.cluster],
                cluster=each.cluster,
            )
            for each in pictures
        )
    )


def assign_splits(pictures: Iterable[Readable], config: SplitConfig) -> dict[str, str]:
    """The split of each cluster.

    Clusters are dealt one by one, each to the split that lacks most pictures of its classes. Large
    clusters come first, so that small ones can make up for them; the seed orders the equals.

    Raises:
        DataError: naming the class that does not reach every split.
    """
    clusters: dict[str, Counter[str]] = defaultdict(Counter)
    for picture in pictures:
        clusters[picture.cluster][picture.label] += 1
    totals: Counter[str] = sum(clusters.values(), Counter())
    lacking = {
        (label, split): wanted
        for label, total in totals.items()
        for split, wanted in _wanted(label, total, config).items()
    }

    def turn(cluster: str) -> tuple[int, str]:
        drawn = hashlib.sha256(f"{config.seed}:{cluster}".encode()).hexdigest()
        return -clusters[cluster].total(), drawn

    splits: dict[str, str] = {}
    reached: set[tuple[str, str]] = set()
    for cluster in sorted(clusters, key=turn):
        content = clusters[cluster]
        chosen = max(SPLITS, key=lambda split: sum(lacking[label, split] for label in content))
        splits[cluster] = chosen
        for label, number in content.items():
            lacking[label, chosen] -= number
            reached.add((label, chosen))
    for label, total in sorted(totals.items()):
        missed = [split for split in SPLITS if (label, split) not in reached]
        if missed:
            raise DataError(
                f"class {label!r} has too few different pictures ({total}) to reach the "
                f"{count_of(len(missed), 'split')} {', '.join(missed)}: add pictures"
            )
    return splits


def _wanted(label: str, total: int, config: SplitConfig) -> dict[str, int]:
    shares = {"validation": config.validation, "test": config.test, "probe": config.probe}
    wanted = {split: max(1, round(total * share)) for split, share in shares.items()}
    wanted["train"] = total - sum(wanted.values())
    if wanted["train"] < 1:
        raise DataError(
            f"class {label!r} has {count_of(total, 'picture')}, which leaves none to train on: "
            "add pictures, or lower the shares of the splits"
        )
    return wanted
