"""What a source holds: files by class."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files by class, as sorted paths relative to ``folder`` with ``/`` between the parts."""

    folder: Path
    classes: Mapping[str, tuple[str, ...]]
    loose: tuple[str, ...]  # files beside the class folders
    nested: tuple[str, ...]  # folders that are not read: too deep, or a link leads back
    unnamed: tuple[str, ...]  # names that are not UTF-8, written with escapes

    def paths(self) -> list[str]:
        """All of them, class by class."""
        return [path for paths in self.classes.values() for path in paths]

    def part(self, shard: int, shards: int) -> list[str]:
        """The paths that one shard looks at, of ``shards`` counted from 0: every so manieth.

        Neighbours are alike in size, so every shard gets its part of the large ones.
        """
        return self.paths()[shard::shards]
