"""Looks kept in a file: so that unchanged files are not read again, and shards can be put together.

In: looks and the listing that they are of. Out: one Parquet file, and what it says. Looks of
another version of what looks at pictures count as none.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from weathervane.data.features import FEATURES
from weathervane.data.files import replacing
from weathervane.data.hashes import THUMBNAIL
from weathervane.data.images import FORMATS, MAX_PIXELS, MIN_PIXELS, PREPROCESSING
from weathervane.data.scan import Look, Seen, Stamp, Unreadable
from weathervane.data.sources import Listing
from weathervane.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

# To be raised whenever `scan` sees something else in the same file.
_SCAN = 2
VERSION = json.dumps(
    [_SCAN, PREPROCESSING, cv2.__version__, FEATURES, FORMATS, MIN_PIXELS, MAX_PIXELS]
)
_ABOUT = b"weathervane.looks"

# What a look holds, as columns: of what was found, and of the stamp.
_TEXTS = ("fault", "reason", "sha256", "format", "colour")
_NUMBERS = ("bits", "orientation", "width", "height")
_TIMES = tuple(each.name for each in fields(Stamp))
_ROWS_AT_ONCE = 1024  # bounds the memory of writing and reading
_NO_STAMP = -1


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Looks at the files of a listing; of one shard, at its part of them."""

    listing: Listing
    looks: tuple[Look, ...]


def write_looks(path: Path, looks: Looks) -> None:
    """Write one Parquet file, whole or not at all."""
    import pyarrow as pa
    from pyarrow import parquet

    listing = {**asdict(looks.listing), "folder": str(looks.listing.folder)}
    about = {"version": VERSION, "listing": listing}
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("path", *_TEXTS)),
            *((name, pa.int64()) for name in _TIMES),
            *((name, pa.int32()) for name in _NUMBERS),
            ("features", pa.binary(4 * len(FEATURES))),  # float32
            ("thumbnail", pa.binary(THUMBNAIL * THUMBNAIL)),
        ],
        metadata={_ABOUT: json.dumps(about, ensure_ascii=False)},
    )
    with (
        replacing(path) as part,
        parquet.ParquetWriter(part, schema, use_dictionary=["fault", "format", "colour"]) as writer,
    ):
        for start in range(0, len(looks.looks), _ROWS_AT_ONCE):
            columns = _columns(looks.looks[start : start + _ROWS_AT_ONCE])
            arrays = [pa.array(columns[each.name], each.type) for each in schema]
            # One group of rows each: a group is in memory until it is whole.
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def read_looks(path: Path) -> Looks:
    """Read what `write_looks` wrote.

    Raises:
        DataError: when the file is absent, holds no looks, or those of another version.
    """
    looks = _read(path)
    if looks is None:
        raise DataError(f"{path} was written by another version: look again")
    return looks


def _read(path: Path) -> Looks | None:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        about = json.loads(file.schema_arrow.metadata[_ABOUT])
        if about["version"] != VERSION:
            return None
        listing = about["listing"]
        kept = Listing(
            folder=Path(listing["folder"]),
            classes={label: tuple(paths) for label, paths in listing["classes"].items()},
            loose=tuple(listing["loose"]),
            nested=tuple(listing["nested"]),
            unnamed=tuple(listing["unnamed"]),
        )
        batches = file.iter_batches(_ROWS_AT_ONCE)
        return Looks(listing=kept, looks=tuple(look for some in batches for look in _looks(some)))
    except OSError as error:
        raise DataError(f"cannot read the looks {path}: {error}") from error
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} holds no looks at pictures: {error}") from error


def merge(parts: Sequence[Looks]) -> Looks:
    """The looks of all shards, in the listing's order.

    Raises:
        DataError: when shards listed different files, or one is missing.
    """
    if not parts:
        raise DataError("no looks to put together: name the files of all shards")
    first = parts[0].listing
    # Each shard may have its pictures in a folder of its own.
    if any(replace(each.listing, folder=first.folder) != first for each in parts):
        raise DataError("the shards saw different files: let all of them look again")
    found = {look.path: look for each in parts for look in each.looks}
    paths = first.paths()
    missing = [path for path in paths if path not in found]
    if missing:
        raise DataError(
            f"nobody looked at {len(missing)} of the files, such as {missing[0]}: "
            "name the files of all shards"
        )
    return Looks(listing=first, looks=tuple(found[path] for path in paths))


def known_from(path: Path) -> dict[str, Look]:
    """What is known from an earlier time by path; nothing, when there is no such file yet.

    Raises:
        DataError: when the file holds something else.
    """
    looks = _read(path) if path.exists() else None
    return {look.path: look for look in looks.looks} if looks else {}


def _columns(looks: Sequence[Look]) -> dict[str, list[Any]]:
    found = [look.found for look in looks]
    seen = [each if isinstance(each, Seen) else None for each in found]
    columns: dict[str, list[Any]] = {
        "path": [look.path for look in looks],
        "features": [each and np.array(each.features, np.float32).tobytes() for each in seen],
        "thumbnail": [each and each.thumbnail.tobytes() for each in seen],
    }
    columns |= {name: [getattr(look.stamp, name, None) for look in looks] for name in _TIMES}
    for name in (*_TEXTS, *_NUMBERS):
        columns[name] = [getattr(each, name, None) for each in found]
    return columns


def _looks(batch: "pa.RecordBatch") -> Iterator[Look]:
    def numbers(name: str) -> list[int]:
        return list(batch.column(name).fill_null(_NO_STAMP).to_numpy().tolist())

    paths, *texts = (batch.column(name).to_pylist() for name in ("path", *_TEXTS))
    told = zip(*texts, *map(numbers, _NUMBERS), strict=True)
    features = _packed(batch.column("features"), np.float32).tolist()
    thumbnails = _packed(batch.column("thumbnail"), np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL)
    times = zip(*map(numbers, _TIMES), strict=True)
    for path, one, figures, thumbnail, (size, modified, changed, looked_at) in zip(
        paths, told, features, thumbnails, times, strict=True
    ):
        fault, reason, sha256, name, colour, bits, orientation, width, height = one
        yield Look(
            path=path,
            stamp=None
            if size == _NO_STAMP
            else Stamp(size=size, modified_ns=modified, changed_ns=changed, looked_at_ns=looked_at),
            found=Unreadable(fault=fault, reason=reason)
            if fault is not None
            else Seen(
                sha256=sha256,
                format=name,
                colour=colour,
                bits=bits,
                orientation=orientation,
                width=width,
                height=height,
                features=tuple(figures),
                thumbnail=thumbnail,
            ),
        )


def _packed(column: "pa.FixedSizeBinaryArray", kind: type[np.generic]) -> NDArray[Any]:
    """Rows of numbers, which are not copied; zeros for those that hold nothing."""
    width = column.type.byte_width
    filled = column.fill_null(bytes(width))
    data = np.frombuffer(filled.buffers()[1], np.uint8)
    rows = data[filled.offset * width : (filled.offset + len(filled)) * width]
    return rows.view(kind).reshape(len(filled), -1)
