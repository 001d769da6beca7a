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
