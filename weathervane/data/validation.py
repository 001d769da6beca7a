"""The first gate: a folder of pictures in, a report out that says whether to train on them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from weathervane.config import ValidationConfig
from weathervane.data.checks import run_checks
from weathervane.data.duplicates import Duplicates, find_duplicates
from weathervane.data.findings import LeftOut, Survey
from weathervane.data.hashes import THUMBNAIL, perceptual_hashes
from weathervane.data.report import ClassSummary, Readable, Report
from weathervane.data.scan import Seen, scan
from weathervane.data.sources import list_pictures


def validate(
    folder: Path,
    config: ValidationConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    source: str = "",
) -> Report:
    """Look into every file once and judge the whole; ``folder``, or a table, is only read.

    ``progress`` is told how many of how many files were looked into. ``source`` is what the report
    calls the pictures. Bad pictures are findings; see
    `Report.passed` and `Report.require_passed`.

    Raises:
        DataError: when the folder is missing or cannot be read.
    """
    config = config or ValidationConfig()
    listing = list_pictures(folder)
    seen, unreadable = scan(listing, progress)
    thumbnails = np.array([each.thumbnail for each in seen], np.uint8)
    thumbnails = thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL)
    duplicates = find_duplicates(
        [each.sha256 for each in seen], thumbnails, [each.label for each in seen]
    )
    survey = Survey(
        listing=listing,
        seen=seen,
        unreadable=unreadable,
        duplicates=duplicates,
        left_out=leave_out(seen, duplicates),
        config=config,
    )
    return Report(
        source=source,
        folder=str(listing.folder),
        findings=run_checks(survey),
        classes=_summaries(survey),
        pictures=_readable(survey, perceptual_hashes(thumbnails).tolist()),
    )


def leave_out(seen: tuple[Seen, ...], duplicates: Duplicates) -> tuple[LeftOut, ...]:
    """Why each picture stays out of the manifest, or ``""``.

    All pictures that are the same but carry different labels do; of exact copies all but the first.
    """
    reasons: list[LeftOut] = [""] * len(seen)
    for first, copy in duplicates.exact:
        reasons[copy] = "copy"
        if seen[first].label != seen[copy].label:
            reasons[first] = "conflict"
    for one, two in (*duplicates.near, *duplicates.parts):
        if seen[one].label != seen[two].label:
            reasons[one] = reasons[two] = "conflict"
    # A copy of what is in conflict is in conflict as well, whichever of them was listed first.
    for first, copy in duplicates.exact:
        if reasons[first] == "conflict":
            reasons[copy] = "conflict"
    return tuple(reasons)


def _readable(survey: Survey, hashes: list[int]) -> tuple[Readable, ...]:
    clusters = _named(survey, survey.duplicates.clusters)
    scenes = _named(survey, survey.duplicates.scenes)
    return tuple(
        Readable(
            path=each.path,
            label=each.label,
            sha256=each.sha256,
            phash=f"{phash:016x}",
            width=each.width,
            height=each.height,
            cluster=cluster,
            scene=scene,
            left_out=left_out,
        )
        for each, phash, cluster, scene, left_out in zip(
            survey.seen, hashes, clusters, scenes, survey.left_out, strict=True
        )
    )


def _named(survey: Survey, roots: Sequence[int]) -> list[str]:
    """The smallest digest of those that hang together, for each of them."""
    names: dict[int, str] = {}
    for each, root in zip(survey.seen, roots, strict=True):
        names[root] = min(names.get(root, each.sha256), each.sha256)
    return [names[root] for root in roots]


def _summaries(survey: Survey) -> dict[str, ClassSummary]:
    usable = survey.usable
    summaries = {}
    for label, files in survey.listing.classes.items():
        seen = [each for each in survey.seen if each.label == label]

        def middle(of: Callable[[Seen], float], seen: list[Seen] = seen) -> float:
            return round(float(median(map(of, seen))), 4) if seen else 0.0

        summaries[label] = ClassSummary(
            files=len(files),
            readable=len(seen),
            usable=usable[label],
            width=middle(lambda each: each.width),
            height=middle(lambda each: each.height),
            brightness=middle(lambda each: each.brightness),
            contrast=middle(lambda each: each.contrast),
        )
    return summaries
