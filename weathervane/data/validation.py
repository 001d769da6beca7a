"""The first gate: a folder of pictures in, a report out that says whether to train on them.

`looking` opens files, `judge` does not: shards look at their parts, and one judges what they saw.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from weathervane.config import ValidationConfig
from weathervane.data.checks import run_checks
from weathervane.data.duplicates import Duplicates, Pair
from weathervane.data.findings import Broken, LeftOut, Picture, Survey
from weathervane.data.hashes import perceptual_hashes
from weathervane.data.kept_pairs import find_or_recall
from weathervane.data.looking import Progress, look
from weathervane.data.looks import Looks
from weathervane.data.report import ClassSummary, Readable, Report
from weathervane.data.scan import Seen


def validate(
    folder: Path,
    config: ValidationConfig | None = None,
    progress: Progress | None = None,
    source: str = "",
    *,
    cache: Path | None = None,
    test: Path | None = None,
) -> Report:
    """Look into every file once and judge the whole; ``folder``, or a table, is only read.

    ``progress`` is told how many of how many files were looked into. ``source`` is what the report
    calls the pictures. ``cache`` is a file that remembers what was seen, so that unchanged files
    are not read again. ``test`` are pictures to test on, which none of the others may be like. Bad
    pictures are findings; see `Report.passed` and `Report.require_passed`.

    Raises:
        DataError: when the folder is missing or cannot be read, or the cache is another file.
    """
    looks = look(folder, progress, cache=cache)
    return judge(looks, config, source, look(test, progress) if test else None, cache=cache)


def judge(
    looks: Looks,
    config: ValidationConfig | None = None,
    source: str = "",
    test: Looks | None = None,
    *,
    cache: Path | None = None,
) -> Report:
    """What looks at every file of a listing amount to; opens none of them.

    Beside ``cache`` lies what is known of the same pictures: pairs are not searched once more.
    """
    config = config or ValidationConfig()
    seen, broken = _labelled(looks)
    tested, _ = _labelled(test) if test else ((), ())
    both = (*seen, *tested)
    thumbnails = [each.seen.thumbnail for each in both]
    duplicates, leaks = _parted(
        find_or_recall(
            cache and cache.with_name(f"{cache.name}.pairs"),
            [each.seen.sha256 for each in both],
            thumbnails,
            [f"{index < len(seen)} {each.label}" for index, each in enumerate(both)],
        ),
        len(seen),
    )
    survey = Survey(
        listing=looks.listing,
        seen=seen,
        unreadable=broken,
        duplicates=duplicates,
        leaks=tuple((seen[a].path, f"{test.listing.folder}/{both[b].path}") for a, b in leaks)
        if test
        else (),
        left_out=leave_out(seen, duplicates, {a for a, _ in leaks}),
        config=config,
    )
    return Report(
        source=source,
        folder=str(looks.listing.folder),
        findings=run_checks(survey),
        classes=_summaries(survey),
        pictures=_readable(survey, perceptual_hashes(thumbnails[: len(seen)]).tolist()),
    )


def leave_out(
    seen: Sequence[Picture], duplicates: Duplicates, leaks: set[int]
) -> tuple[LeftOut, ...]:
    """Why each picture stays out of the manifest, or ``""``.

    All pictures that are the same but carry different labels do, and all that are like one to be
    tested on; of exact copies all but the first.
    """
    reasons: list[LeftOut] = [""] * len(seen)
    for index in leaks:
        reasons[index] = "leak"
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


def _labelled(looks: Looks) -> tuple[tuple[Picture, ...], tuple[Broken, ...]]:
    labels = [label for label, paths in looks.listing.classes.items() for _ in paths]
    seen, broken = [], []
    for each, label in zip(looks.looks, labels, strict=True):
        if isinstance(each.found, Seen):
            seen.append(Picture(path=each.path, label=label, seen=each.found))
        else:
            fault, reason = each.found.fault, each.found.reason
            broken.append(Broken(path=each.path, label=label, fault=fault, reason=reason))
    return tuple(seen), tuple(broken)


def _parted(found: Duplicates, count: int) -> tuple[Duplicates, list[Pair]]:
    """What was found among the first ``count`` pictures, and the pairs of those with the others."""

    def within(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
        return tuple(pair for pair in pairs if pair[1] < count)

    every = (*found.exact, *found.near, *found.parts)
    return Duplicates(
        exact=within(found.exact),
        near=within(found.near),
        parts=within(found.parts),
        clusters=found.clusters[:count],
        scenes=found.scenes[:count],
    ), sorted(pair for pair in every if pair[0] < count <= pair[1])


def _readable(survey: Survey, hashes: list[int]) -> tuple[Readable, ...]:
    clusters = _named(survey, survey.duplicates.clusters)
    scenes = _named(survey, survey.duplicates.scenes)
    return tuple(
        Readable(
            path=each.path,
            label=each.label,
            sha256=each.seen.sha256,
            phash=f"{phash:016x}",
            width=each.seen.width,
            height=each.seen.height,
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
        names[root] = min(names.get(root, each.seen.sha256), each.seen.sha256)
    return [names[root] for root in roots]


def _summaries(survey: Survey) -> dict[str, ClassSummary]:
    usable = survey.usable
    by_label: dict[str, list[Seen]] = {label: [] for label in survey.listing.classes}
    for each in survey.seen:
        by_label[each.label].append(each.seen)
    summaries = {}
    for label, seen in by_label.items():

        def middle(of: Callable[[Seen], float], seen: list[Seen] = seen) -> float:
            return round(float(median(map(of, seen))), 4) if seen else 0.0

        summaries[label] = ClassSummary(
            files=len(survey.listing.classes[label]),
            readable=len(seen),
            usable=usable[label],
            width=middle(lambda each: each.width),
            height=middle(lambda each: each.height),
            brightness=middle(lambda each: each.feature("brightness")),
            contrast=middle(lambda each: each.feature("contrast")),
            sharpness=middle(lambda each: each.feature("sharpness")),
            saturation=middle(lambda each: each.feature("saturation")),
        )
    return summaries
