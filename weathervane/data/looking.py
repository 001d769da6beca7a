"""A source of pictures in, looks at its files out: all of them, or one shard's."""

from collections.abc import Callable
from pathlib import Path

from weathervane.data.looks import Looks, known_from, write_looks
from weathervane.data.scan import scan
from weathervane.data.sources import Listing, list_pictures, local_part
from weathervane.errors import UsageError

Progress = Callable[[int, int], None]


def look(
    folder: Path,
    progress: Progress | None = None,
    *,
    cache: Path | None = None,
    shard: int = 0,
    shards: int = 1,
) -> Looks:
    """Look into every file, or into those of one shard, counted from 0.

    Raises:
        DataError: when the folder is missing or cannot be read, or the cache is another file.
    """
    return look_at(list_pictures(folder), progress, cache=cache, shard=shard, shards=shards)


def look_at(
    listing: Listing,
    progress: Progress | None = None,
    *,
    cache: Path | None = None,
    shard: int = 0,
    shards: int = 1,
) -> Looks:
    """As `look`, at what was listed.

    Raises:
        DataError: when the cache is another file.
    """
    paths = listing.part(shard, shards)
    known = known_from(cache) if cache else {}

    def told(done: int) -> None:
        if progress:
            progress(done, len(paths))

    looks = Looks(listing=listing, looks=tuple(scan(listing.folder, paths, known, told)))
    news = len(known) != len(looks.looks) or any(
        each is not known.get(each.path) for each in looks.looks
    )
    if cache and news:
        write_looks(cache, looks)
    return looks


def look_at_part(
    source: str, part: str, download_to: Path, progress: Progress | None = None
) -> Looks:
    """Look into the files of one shard, ``part`` being such as ``3/8``, counted from 1.

    Of a prefix in the store only these files are fetched; see `sources.local_source`.

    Raises:
        DataError: when there is no such source.
        UsageError: when ``part`` is none.
        StoreError: when the store refuses or does not answer.
    """
    number, _, count = part.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"a shard is a part such as 3/8, got {part!r}")
    shard, shards = int(number) - 1, int(count)
    listing = local_part(source, download_to, shard, shards)
    return look_at(listing, progress, shard=shard, shards=shards)
