"""Looks kept in a file: so that unchanged files are not read again, and shards can be put together.

In: looks and the listing that they are of. Out: one Parquet file, and what it says. Looks of
another version of what looks at pictures count as none.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from weathervane.data.features import FEATURES
from weathervane.data.files import write_whole
from weathervane.data.hashes import THUMBNAIL
from weathervane.data.images import FORMATS, MAX_PIXELS, MIN_PIXELS, PREPROCESSING
from weathervane.data.scan import Look, Seen, Stamp, Unreadable
from weathervane.data.sources import Listing
from weathervane.errors import DataError

# To be raised whenever `scan` sees something else in the same file.
_SCAN = 1
_VERSION = json.dumps(
    [_SCAN, PREPROCESSING, cv2.__version__, FEATURES, FORMATS, MIN_PIXELS, MAX_PIXELS]
)
_ABOUT = b"weathervane.looks"


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Looks at the files of a listing; of one shard, at its part of them."""

    listing: Listing
    looks: tuple[Look, ...]


def part_of(listing: Listing, shard: int, shards: int) -> list[str]:
    """The paths that one shard looks at, of ``shards`` counted from 0: every so manieth.

    Neighbours are alike in size, so every shard gets its part of the large ones.
    """
    return every_path(listing)[shard::shards]


def every_path(listing: Listing) -> list[str]:
    """All paths of a listing, class by class."""
    return [path for paths in listing.classes.values() for path in paths]


def write_looks(path: Path, looks: Looks) -> None:
    """Write one Parquet file, whole or not at all."""
    import pyarrow as pa
    from pyarrow import parquet

    listing = {**asdict(looks.listing), "folder": str(looks.listing.folder)}
    about = {"version": _VERSION, "listing": listing}
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("path", "fault", "reason")),
            *((each.name, pa.int64()) for each in fields(Stamp)),
            *((name, pa.string()) for name in ("sha256", "format", "colour")),
            *((name, pa.int32()) for name in ("bits", "orientation", "width", "height")),
            ("features", pa.binary(4 * len(FEATURES))),  # float32
            ("thumbnail", pa.binary(THUMBNAIL * THUMBNAIL)),
        ],
        metadata={_ABOUT: json.dumps(about, ensure_ascii=False)},
    )
    rows = [_as_row(look) for look in looks.looks]
    columns = [pa.array([row.get(each.name) for row in rows], each.type) for each in schema]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(columns, schema=schema), buffer)
    write_whole(path, buffer.getvalue())


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
        table = parquet.read_table(path)
        about = json.loads(table.schema.metadata[_ABOUT])
        if about["version"] != _VERSION:
            return None
        listing = about["listing"]
        kept = Listing(
            folder=Path(listing["folder"]),
            classes={label: tuple(paths) for label, paths in listing["classes"].items()},
            loose=tuple(listing["loose"]),
            nested=tuple(listing["nested"]),
            unnamed=tuple(listing["unnamed"]),
        )
        return Looks(listing=kept, looks=tuple(map(_as_look, table.to_pylist())))
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
    missing = [path for path in every_path(first) if path not in found]
    if missing:
        raise DataError(
            f"nobody looked at {len(missing)} of the files, such as {missing[0]}: "
            "name the files of all shards"
        )
    return Looks(listing=first, looks=tuple(found[path] for path in every_path(first)))


def known_from(path: Path) -> dict[str, Look]:
    """What is known from an earlier time by path; nothing, when there is no such file yet.

    Raises:
        DataError: when the file holds something else.
    """
    looks = _read(path) if path.exists() else None
    return {look.path: look for look in looks.looks} if looks else {}


def _as_row(look: Look) -> dict[str, Any]:
    row: dict[str, Any] = {"path": look.path, **(vars(look.stamp) if look.stamp else {})}
    row |= vars(look.found)
    if isinstance(look.found, Seen):
        row["features"] = np.array(look.found.features, np.float32).tobytes()
        row["thumbnail"] = look.found.thumbnail.tobytes()
    return row


def _as_look(row: dict[str, Any]) -> Look:
    stamp = None
    if row["size"] is not None:
        stamp = Stamp(
            size=row["size"],
            modified_ns=row["modified_ns"],
            changed_ns=row["changed_ns"],
            looked_at_ns=row["looked_at_ns"],
        )
    if row["fault"] is not None:
        found = Unreadable(fault=row["fault"], reason=row["reason"])
        return Look(path=row["path"], stamp=stamp, found=found)
    thumbnail = np.frombuffer(row["thumbnail"], np.uint8).reshape(THUMBNAIL, THUMBNAIL)
    seen = Seen(
        sha256=row["sha256"],
        format=row["format"],
        colour=row["colour"],
        bits=row["bits"],
        orientation=row["orientation"],
        width=row["width"],
        height=row["height"],
        features=tuple(np.frombuffer(row["features"], np.float32).tolist()),
        thumbnail=thumbnail,
    )
    return Look(path=row["path"], stamp=stamp, found=seen)
