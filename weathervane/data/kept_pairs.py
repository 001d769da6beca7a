"""Which pictures are the same, kept in a file: the same pictures are not compared once more.

In: digests, thumbnails and groups, as for `duplicates.find_duplicates`, and a file beside the cache
of looks. Out: what `find_duplicates` finds. A file about anything else counts as none.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weathervane.data.duplicates import Duplicates, Pair, find_duplicates, joined
from weathervane.data.files import write_whole
from weathervane.data.looks import VERSION

# To be raised whenever `find_duplicates` finds something else among the same pictures.
_COMPARISON = 1


def find_or_recall(
    kept: Path | None,
    digests: Sequence[str],
    thumbnails: Sequence[NDArray[np.uint8]],
    groups: Sequence[str],
) -> Duplicates:
    """As `find_duplicates`, but what ``kept`` knows of exactly these pictures is not searched."""
    if kept is None:
        return find_duplicates(digests, thumbnails, groups)
    # Thumbnails follow from the bytes of the files and the version of what looks at them.
    about = json.dumps([_COMPARISON, VERSION, list(digests), list(groups)]).encode()
    name = hashlib.sha256(about).hexdigest()
    if (known := _read(kept, name)) is not None:
        return joined(digests, *known)
    found = find_duplicates(digests, thumbnails, groups)
    document = {"of": name, "near": found.near, "parts": found.parts}
    write_whole(kept, json.dumps(document).encode())
    return found


def _read(kept: Path, name: str) -> tuple[list[Pair], list[Pair]] | None:
    try:
        document = json.loads(kept.read_bytes())
        if document["of"] != name:
            return None
        near, parts = ([(a, b) for a, b in document[kind]] for kind in ("near", "parts"))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return near, parts
