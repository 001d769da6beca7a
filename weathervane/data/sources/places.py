"""What ``data`` means: by its address, its kind and its name.

In: a path or an ``s3://`` address. Out: a place on this machine, which is either a folder of class
folders or a table that names files beside it.
"""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from weathervane.config import store_from_environment
from weathervane.data.sources import archives, folders, tables
from weathervane.data.sources.listing import Listing
from weathervane.errors import DataError

_S3 = "s3://"


def is_address(source: str) -> bool:
    """Whether this lies in the object store."""
    return source.startswith(_S3)


def local_source(source: str, download_to: Path, only: Collection[str] | None = None) -> Path:
    """A folder of class folders, or a table; what is packed or far away is put at ``download_to``.

    Args:
        source: a folder, an archive or a table; by path, or by address in the store, where a name
            that ends in no archive's or table's suffix is a prefix.
        download_to: a new folder, used only when something must be written.
        only: of a prefix in the store, these paths are fetched and no others.

    Raises:
        DataError: when there is no such thing, or an archive that is refused.
        UsageError: when the store's address or credentials are not in the environment.
        StoreError: when the store refuses or does not answer.
    """
    if is_address(source):
        return _download(source, download_to, only)
    place = Path(source)
    if place.is_file() and place.suffix.lower() not in tables.SUFFIXES:
        return archives.unpack(place, download_to)
    return place


def local_folder(source: str, download_to: Path, only: Collection[str] | None = None) -> Path:
    """The folder that the paths of a manifest of ``source`` are relative to; see `local_source`."""
    place = local_source(source, download_to, only)
    return place.parent if place.suffix.lower() in tables.SUFFIXES and place.is_file() else place


def local_part(source: str, download_to: Path, shard: int, shards: int) -> Listing:
    """All that a source holds, with at least the files of one shard here; see `local_source`."""
    if not _is_prefix(source):
        return list_pictures(local_source(source, download_to))
    from weathervane.registry.store import Store

    names = Store(store_from_environment()).names(source)
    listing = folders.list_names(download_to, names)
    local_source(source, download_to, listing.part(shard, shards))
    return listing


def list_pictures(place: Path) -> Listing:
    """List what a folder of class folders holds, or a table names.

    Raises:
        DataError: when it is missing, cannot be read, or is neither.
    """
    if not place.is_file():
        return folders.list_class_folders(place)
    if place.suffix.lower() not in tables.SUFFIXES:
        raise DataError(
            f"{place} is a file; a folder of class folders is meant, or a .csv or .parquet of "
            "path, label; `data validate` and `pipeline run` take a zip or tar of it as well"
        )
    return tables.list_table(place)


def _is_prefix(source: str) -> bool:
    packed = source.lower().endswith((*archives.SUFFIXES, *tables.SUFFIXES))
    return is_address(source) and not packed


def _download(address: str, download_to: Path, only: Collection[str] | None) -> Path:
    from weathervane.registry.store import Store

    store = Store(store_from_environment())
    if address.lower().endswith(archives.SUFFIXES):
        download_to.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=download_to.parent) as scratch:
            archive = Path(scratch, address.rpartition("/")[2])
            store.download_file(address, archive)
            return archives.unpack(archive, download_to)
    if address.lower().endswith(tables.SUFFIXES):
        beside, _, name = address.rpartition("/")
        store.download_folder(beside, download_to)
        return download_to / name
    store.download_folder(address, download_to, only)
    return download_to
