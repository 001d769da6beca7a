"""Where pictures come from: a folder of class folders, here or in the object store.

In: a folder, or the address of one. Out: which files it holds and of which class each is; nothing
is opened yet.
"""

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weathervane.config import store_from_environment
from weathervane.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files by class, as sorted paths relative to ``folder`` with ``/`` between the parts."""

    folder: Path
    classes: Mapping[str, tuple[str, ...]]
    loose: tuple[str, ...]  # files beside the class folders
    nested: tuple[str, ...]  # folders inside of class folders
    unnamed: tuple[str, ...]  # names that are not UTF-8, written with escapes


def list_pictures(folder: Path) -> Listing:
    """List class folders one level deep, following links. Hidden files and folders are ignored.

    Every file counts as a picture until it was looked into. A class is named as its folder, in
    Unicode's composed form, so that the same name typed on two systems is the same class.

    Raises:
        DataError: when the folder is missing, is no folder or cannot be read.
    """
    classes: dict[str, list[str]] = {}
    loose: list[str] = []
    nested: list[str] = []
    unnamed: list[str] = []
    for entry in _entries(folder):
        if not _is_text(entry.name):
            unnamed.append(_escaped(entry.name))
        elif not entry.is_dir():
            loose.append(entry.name)
        else:
            files = classes.setdefault(unicodedata.normalize("NFC", entry.name), [])
            for inner in _entries(folder / entry.name):
                path = f"{entry.name}/{inner.name}"
                if not _is_text(inner.name):
                    unnamed.append(_escaped(path))
                elif inner.is_dir():
                    nested.append(path)
                # A link to nowhere is listed, to be reported; a pipe or device would block us.
                elif inner.is_file() or inner.is_symlink():
                    files.append(path)
    return Listing(
        folder=folder,
        classes={label: tuple(sorted(files)) for label, files in sorted(classes.items())},
        loose=tuple(loose),
        nested=tuple(nested),
        unnamed=tuple(unnamed),
    )


def local_folder(source: str, download_to: Path) -> Path:
    """The folder itself, or ``download_to`` with a copy of what lies at an ``s3://`` address.

    Raises:
        UsageError: when the store's address or credentials are not in the environment.
        StoreError: when the store refuses or does not answer.
    """
    if not source.startswith("s3://"):
        return Path(source)
    from weathervane.registry.store import Store

    Store(store_from_environment()).download_folder(source, download_to)
    return download_to


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except FileNotFoundError as error:
        raise DataError(
            f"no such folder: {folder}; give one that holds a folder of pictures for each class"
        ) from error
    except NotADirectoryError as error:
        raise DataError(f"{folder} is a file; give a folder of class folders") from error
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}") from error
    return sorted(entries, key=lambda entry: entry.name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
