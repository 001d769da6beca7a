"""The manifest: every picture that is used, what it shows and which split it belongs to.

In: a validation report, and the manifest of an earlier time. Out: rows, kept as Parquet, and their
digest, which is the version of the data: the same pictures in the same splits have the same digest
on every machine.
"""

import hashlib
import io
import json
import unicodedata
from collections import defaultdict
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from weathervane.config import SplitConfig, store_from_environment
from weathervane.data.files import write_whole
from weathervane.data.report import Report
from weathervane.data.splits import SPLITS, deal, fold, loss_seen_by
from weathervane.data.words import count_of
from weathervane.errors import DataError, UsageError

__all__ = ["SPLITS", "Manifest", "Row", "build", "fold_manifest", "read_previous"]

_SET_ASIDE = b"weathervane.set_aside"
_TOLD = 12  # of the pictures that are set aside


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
    cluster: str  # shared by pictures that are the same
    scene: str  # shared by those and by parts of one another; never crosses splits


@dataclass(frozen=True)
class Manifest:
    """Rows, sorted by path; ``set_aside`` are pictures that would join two splits, by path."""

    rows: tuple[Row, ...]
    set_aside: tuple[str, ...] = ()

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

    def told(self) -> list[str]:
        """Lines for people: how many pictures each split has, and what the probes see."""
        counts = {split: len(self.split(split)) for split in SPLITS}
        lines = [f"{split}: {count_of(count, 'picture')}" for split, count in counts.items()]
        seen = loss_seen_by(counts["probe"])
        lines[-1] += f", which see {100 * seen:.1f} points of accuracy lost"
        if self.set_aside:
            some = ", ".join(self.set_aside[:_TOLD]) + ", …" * (len(self.set_aside) > _TOLD)
            count = count_of(len(self.set_aside), "new picture")
            lines.append(f"set aside, like old ones of several splits: {count}: {some}")
        return lines

    def write(self, path: Path) -> None:
        """Write Parquet, one row a picture."""
        import pyarrow as pa
        from pyarrow import parquet

        kinds = {"width": pa.int32(), "height": pa.int32()}
        schema = pa.schema(
            [(each.name, kinds.get(each.name, pa.string())) for each in fields(Row)],
            metadata={_SET_ASIDE: json.dumps(self.set_aside)},
        )
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
            set_aside = json.loads((table.schema.metadata or {}).get(_SET_ASIDE, "[]"))
            return Manifest(tuple(Row(**row) for row in table.to_pylist()), tuple(set_aside))
        except OSError as error:
            raise DataError(f"cannot read the manifest {path}: {error}") from error
        except (pa.ArrowException, TypeError, KeyError) as error:
            raise DataError(f"{path} is not a manifest: {error}") from error


def read_previous(place: str | None) -> Manifest | None:
    """The manifest at ``split.previous``: a file, or an address in the store.

    Raises:
        DataError: when it is absent or is no manifest.
        StoreError: when the store refuses or does not answer.
    """
    if place is None or not place.startswith("s3://"):
        return Manifest.read(Path(place)) if place else None
    from weathervane.registry.store import Store

    with TemporaryDirectory() as folder:
        file = Path(folder, "manifest.parquet")
        Store(store_from_environment()).download_file(place, file)
        return Manifest.read(file)


def build(
    report: Report, config: SplitConfig | None = None, previous: Manifest | None = None
) -> Manifest:
    """Split the pictures that the report lets through; see `splits.deal` for the rules.

    The result depends on the pictures, their names, the seed and the manifest that came before,
    not on the order of files. A picture of ``previous``, known by its content, keeps its split.

    Raises:
        DataError: when the report did not pass, or a class has too few different pictures to be in
            every split.
    """
    report.require_passed()
    config = config or SplitConfig()
    pictures = [picture for picture in report.pictures if not picture.left_out]
    before = {row.sha256: row for row in previous.rows} if previous else {}
    splits = deal(pictures, config, {sha256: row.split for sha256, row in before.items()})
    # Old pictures of different splits stay apart, whatever has turned out to connect them.
    homes: dict[str, set[str]] = defaultdict(set)
    for each in pictures:
        homes[each.scene] |= {splits[each.sha256]} if each.sha256 in splits else set()
    rows = []
    for each in pictures:
        if each.sha256 not in splits:
            continue
        known = before[each.sha256] if len(homes[each.scene]) > 1 else each
        rows.append(
            Row(
                path=each.path,
                label=each.label,
                sha256=each.sha256,
                phash=each.phash,
                width=each.width,
                height=each.height,
                split=splits[each.sha256],
                cluster=known.cluster,
                scene=known.scene,
            )
        )
    set_aside = sorted(each.path for each in pictures if each.sha256 not in splits)
    return Manifest(tuple(rows), tuple(set_aside))


def fold_manifest(manifest: Manifest, folds: int, seed: int = 0) -> tuple[Manifest, ...]:
    """One manifest a fold for cross-validation: each picture is validated on in one of them.

    What is for training and for validation is dealt anew; test and probe stay as they are.

    Raises:
        UsageError: for fewer than two folds.
        DataError: when a class has too few different pictures.
    """
    if folds < 2:
        raise UsageError(f"at least 2 folds are needed, got {folds}")
    rows = [row for row in manifest.rows if row.split in {"train", "validation"}]
    numbers = fold(rows, folds, seed)
    return tuple(
        replace(
            manifest,
            rows=tuple(
                replace(row, split="validation" if numbers[row.sha256] == number else "train")
                if row.sha256 in numbers
                else row
                for row in manifest.rows
            ),
        )
        for number in range(folds)
    )
