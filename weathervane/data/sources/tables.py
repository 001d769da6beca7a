"""A table of paths and labels: CSV or Parquet in, a listing of the files that it names out.

Columns ``path`` (relative to the table's folder, ``/`` between the parts) and ``label``; others are
not read.
"""

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from weathervane.data.sources.listing import Listing
from weathervane.errors import DataError

SUFFIXES = (".csv", ".parquet")

_COLUMNS = ("path", "label")
_MAX_ROWS = 1_000_000  # of short texts: a few hundred megabytes
_MAX_LABEL_BYTES = 255  # as many as a class folder's name may have

_Rows = Iterator[tuple[str, str, str]]  # where, path, label


def list_table(table: Path) -> Listing:
    """List the files that a table names. One that is not there is listed, to be reported.

    Raises:
        DataError: when the table cannot be read, lacks a column, leads out of its folder, or gives
            a file two labels; with the row.
    """
    labels: dict[str, str] = {}
    rows = _parquet(table) if table.suffix.lower() == ".parquet" else _csv(table)
    for where, raw_path, raw_label in rows:
        path, label = _checked_path(where, raw_path), _checked_label(where, raw_label)
        if labels.setdefault(path, label) != label:
            raise DataError(f"{where}: {path} is {label} here and {labels[path]} before")
        file = table.parent / path
        # A pipe or a device would block us.
        if file.exists() and not file.is_file():
            raise DataError(f"{where}: {path} is not a file")
    classes = defaultdict(list)
    for path, label in labels.items():
        classes[label].append(path)
    return Listing(
        folder=table.parent,
        classes={label: tuple(sorted(paths)) for label, paths in sorted(classes.items())},
        loose=(),
        nested=(),
        unnamed=(),
    )


def _csv(table: Path) -> _Rows:
    try:
        # Spreadsheets put a mark before the first column's name.
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            places = [_place(table, header, column) for column in _COLUMNS]
            for row in reader:
                where = f"{table}, line {reader.line_num}"
                if not row:
                    continue
                if len(row) <= max(places):
                    raise DataError(f"{where}: {len(row)} columns, the first line has others")
                yield where, row[places[0]], row[places[1]]
    except OSError as error:
        raise DataError(f"cannot read the table {table}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{table} is not CSV in UTF-8: {error}") from error


def _parquet(table: Path) -> _Rows:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(table) as file:
            for column in _COLUMNS:
                _place(table, file.schema_arrow.names, column)
            if file.metadata.num_rows > _MAX_ROWS:
                raise DataError(f"{table} has over {_MAX_ROWS} rows: split it")
            rows = file.read(columns=list(_COLUMNS)).to_pylist()
    except OSError as error:
        raise DataError(f"cannot read the table {table}: {error}") from error
    except pa.ArrowException as error:
        raise DataError(f"{table} is not Parquet: {error}") from error
    for number, row in enumerate(rows, start=1):
        values = [row[column] for column in _COLUMNS]
        if not all(isinstance(value, str) for value in values):
            raise DataError(f"{table}, row {number}: path and label must be text, got {values}")
        yield f"{table}, row {number}", *values


def _place(table: Path, names: list[str], column: str) -> int:
    if column not in names:
        found = ", ".join(names) or "none"
        raise DataError(f"{table} has no column {column!r}; its columns are: {found}")
    return names.index(column)


def _checked_path(where: str, text: str) -> str:
    path = PurePosixPath(text.strip())
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in text:
        raise DataError(
            f"{where}: path must lead to a file in or below the table's folder, got {text!r}"
        )
    return path.as_posix()


def _checked_label(where: str, text: str) -> str:
    label = unicodedata.normalize("NFC", text.strip())
    if not (label.isprintable() and 0 < len(label.encode()) <= _MAX_LABEL_BYTES) or "/" in label:
        raise DataError(f"{where}: label must be one short name, got {text[:80]!r}")
    return label
