"""Class folders: a folder in, a listing of the files in and below each of its folders out."""

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from weathervane.data.sources.listing import Listing
from weathervane.errors import DataError

# Folders below a class folder. Deeper ones are an accident, such as a copy of a copy of a copy.
_MAX_DEPTH = 16


def list_class_folders(folder: Path) -> Listing:
    """List class folders and what lies below them, following links. Hidden names are ignored.

    Every file counts as a picture until it was looked into. A class is named as its folder, in
    Unicode's composed form, so that the same name typed on two systems is the same class.

    Raises:
        DataError: when the folder is missing, is no folder or cannot be read.
    """
    classes: dict[str, list[str]] = {}
    loose: list[str] = []
    below = _Below(folder)
    for entry in _entries(folder):
        if not _is_text(entry.name):
            below.unnamed.append(_escaped(entry.name))
        elif not entry.is_dir():
            loose.append(entry.name)
        else:
            files = classes.setdefault(unicodedata.normalize("NFC", entry.name), [])
            files.extend(below.files(entry.name, (os.path.realpath(folder),)))
    return Listing(
        folder=folder,
        classes={label: tuple(sorted(files)) for label, files in sorted(classes.items())},
        loose=tuple(loose),
        nested=tuple(below.not_read),
        unnamed=tuple(below.unnamed),
    )


def list_names(folder: Path, names: Iterable[str]) -> Listing:
    """What `list_class_folders` would find if files of such names lay below ``folder``."""
    classes: dict[str, list[str]] = {}
    loose: list[str] = []
    nested: dict[str, None] = {}
    for name in sorted(names):
        *above, last = name.split("/")
        if not above and not last.startswith("."):
            loose.append(last)
        if not above or above[0].startswith("."):
            continue
        # A folder of hidden files is a class, and an empty one.
        files = classes.setdefault(unicodedata.normalize("NFC", above[0]), [])
        walked = above[: _MAX_DEPTH + 1]
        if any(part.startswith(".") for part in walked):
            continue
        if len(above) > _MAX_DEPTH:
            nested["/".join(walked)] = None
        elif not last.startswith("."):
            files.append(name)
    return Listing(
        folder=folder,
        classes={label: tuple(sorted(files)) for label, files in sorted(classes.items())},
        loose=tuple(loose),
        nested=tuple(nested),
        unnamed=(),
    )


class _Below:
    """Walks down from class folders, and remembers what it could not take along."""

    def __init__(self, folder: Path) -> None:
        self.not_read: list[str] = []
        self.unnamed: list[str] = []
        self._folder = folder

    def files(self, path: str, above: tuple[str, ...]) -> list[str]:
        """Every file in and below ``path``; ``above`` are the real folders that led there."""
        real = os.path.realpath(self._folder / path)
        # A link that leads back would go round for ever.
        if real in above or len(above) > _MAX_DEPTH:
            self.not_read.append(path)
            return []
        files = []
        for entry in _entries(self._folder / path):
            inner = f"{path}/{entry.name}"
            if not _is_text(entry.name):
                self.unnamed.append(_escaped(inner))
            elif entry.is_dir():
                files += self.files(inner, (*above, real))
            # A link to nowhere is listed, to be reported; a pipe or device would block us.
            elif entry.is_file() or not (self._folder / inner).exists():
                files.append(inner)
        return files


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except FileNotFoundError as error:
        raise DataError(
            f"no such folder: {folder}; give one that holds a folder of pictures for each class"
        ) from error
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
