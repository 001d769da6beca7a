"""Probe pictures: labelled originals that were never trained on, kept by content.

In: pictures with their labels. Out: a folder with each picture under its sha256 and `probes.json`,
which lists them; read back only when nothing was altered.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from weathervane.data.files import write_whole
from weathervane.errors import DataError

_LIST = "probes.json"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One encoded picture, what it shows, and the sha256 (hex) of its bytes."""

    picture: bytes
    label: str
    sha256: str


def make_probe(picture: bytes, label: str) -> Probe:
    """Label a picture's bytes."""
    return Probe(picture=picture, label=label, sha256=hashlib.sha256(picture).hexdigest())


def write_probes(folder: Path, probes: Iterable[Probe]) -> None:
    """Write the pictures, then the list: a folder without `probes.json` is not finished."""
    rows = []
    for probe in probes:
        write_whole(folder / probe.sha256, probe.picture)
        rows.append({"sha256": probe.sha256, "label": probe.label})
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    write_whole(folder / _LIST, text.encode())


def read_probes(folder: Path) -> tuple[Probe, ...]:
    """Read what `write_probes` wrote, in its order.

    Raises:
        DataError: when the list or a picture is missing, or a picture is not the one listed.
    """
    try:
        rows = json.loads((folder / _LIST).read_text(encoding="utf-8"))
        listed = [(str(row["sha256"]), str(row["label"])) for row in rows]
        pictures = [(folder / sha256).read_bytes() for sha256, _ in listed]
    except OSError as error:
        raise DataError(f"probes are missing: cannot read {error.filename}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / _LIST} is not a list of probes: {error}") from error
    probes = tuple(
        make_probe(picture, label) for picture, (_, label) in zip(pictures, listed, strict=True)
    )
    for probe, (sha256, _) in zip(probes, listed, strict=True):
        if probe.sha256 != sha256:
            raise DataError(f"probe {sha256} in {folder} was altered: its digest is {probe.sha256}")
    return probes
