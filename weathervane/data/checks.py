"""Checks of a set of pictures: each is a small function that finds something or nothing.

In: a `Survey` of what was seen. Out: findings with a stable code, a severity, examples and what to
do. Codes: WV1xx structure, WV2xx files that cannot be used, WV3xx files that can but are odd, WV4xx
duplicates, WV5xx balance. Settings may give a check other bounds than its own.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from math import ceil, inf
from pathlib import PurePosixPath

from weathervane.config import Bounds
from weathervane.data.duplicates import Duplicates, Pair, members
from weathervane.data.findings import (
    SEVERITIES,
    Finding,
    Survey,
    class_finding,
    finding,
    rated,
)
from weathervane.data.oddities import ODDITIES, Oddity
from weathervane.data.words import count_of
from weathervane.errors import UsageError

Check = Callable[[Survey], Finding | None]

_EXTENSIONS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **{".png": "PNG", ".webp": "WEBP"},
}
# The largest class may have this many times the pictures of the smallest.
_MAX_IMBALANCE = 5.0
_SHOWN_OF_A_GROUP = 4
# Faults whose reason would only repeat the message.
_SELF_EXPLAINING = ("empty", "pointer", "unknown")


def run_checks(survey: Survey) -> tuple[Finding, ...]:
    """Everything that the checks find, the worst first.

    Raises:
        UsageError: when the settings bound a check that does not exist.
    """
    unknown = sorted(survey.config.checks.keys() - CODES)
    if unknown:
        near = get_close_matches(unknown[0], CODES, n=1)
        meant = f", did you mean {near[0]}" if near else ""
        raise UsageError(f"checks: there is no check {unknown[0]}{meant}")
    found = [_bounded(result, survey) for check in CHECKS if (result := check(survey))]
    return tuple(sorted(found, key=lambda each: (-SEVERITIES.index(each.severity), each.code)))


def _bounded(found: Finding, survey: Survey) -> Finding:
    """The finding with its figure, and with the severity that the settings give it."""
    figure = found.figure
    if figure is None:
        files = len(survey.seen) + len(survey.unreadable)
        figure = round(found.count / max(files, 1), 6)
    return rated(found, figure, survey.config.checks.get(found.code))


def too_few_classes(survey: Survey) -> Finding | None:
    """One class is no choice; none is a folder of something else."""
    names = tuple(survey.listing.classes)
    if len(names) >= survey.config.min_classes:
        return None
    found = f"only {count_of(len(names), 'class')}: {', '.join(names)}" if names else "no classes"
    return Finding(
        code="WV101",
        severity="error",
        message=f"{found}; at least {survey.config.min_classes} are needed",
        count=len(names),
        examples=(),
        figure=survey.config.min_classes - len(names),
        bound=0,
        recommendation="put the pictures of each class into a folder with the name of the class",
    )


def empty_classes(survey: Survey) -> Finding | None:
    """A class folder without a file."""
    empty = [label for label, files in survey.listing.classes.items() if not files]
    return class_finding(
        "WV102",
        "error",
        f"no file in {count_of(len(empty), 'class')}: {', '.join(empty)}",
        empty,
        "add pictures to the folder, or remove it",
    )


def small_classes(survey: Survey) -> Finding | None:
    """A class that cannot be split and measured."""
    bound, files = survey.config.min_pictures_per_class, survey.listing.classes
    small = {name: n for name, n in survey.usable.items() if n < bound and files[name]}
    figures = ", ".join(f"{name} ({number})" for name, number in small.items())
    return class_finding(
        "WV103",
        "error",
        f"fewer than {bound} usable pictures in {count_of(len(small), 'class')}: {figures}",
        list(small),
        "add pictures, or remove the class",
    )


def misplaced(
    survey: Survey, code: str, kind: str, message: str, recommendation: str
) -> Finding | None:
    """Files and folders where none are expected: loose, nested or unnamed ones."""
    found: tuple[str, ...] = getattr(survey.listing, kind)
    text = message.format(count_of(len(found), "folder" if kind == "nested" else "file"))
    return finding(code, "warning", text, _each(found), recommendation)


def too_many_unusable(survey: Survey) -> Finding | None:
    """More broken files than chance explains."""
    total = len(survey.seen) + len(survey.unreadable)
    bounds = survey.config.checks.get("WV200") or Bounds(stop=survey.config.max_unreadable_share)
    bound, share = _least(bounds), len(survey.unreadable) / max(total, 1)
    return finding(
        "WV200",
        "error",
        f"{share:.1%} of the files cannot be used; at most {bound:.1%} may",
        _each([file.path for file in survey.unreadable]) if share > bound else (),
        "mend or remove the files that the other findings WV2xx name",
        bound=bound,
    )


def unusable(
    survey: Survey, code: str, fault: str, message: str, recommendation: str
) -> Finding | None:
    """Files with one fault, left out; the commonest reason names the format or size met."""
    files = [file for file in survey.unreadable if file.fault == fault]
    reasons = Counter(file.reason for file in files).most_common()
    told = message
    if reasons and fault not in _SELF_EXPLAINING:
        told = reasons[0][0] if len(reasons) == 1 else f"{message}, such as: {reasons[0][0]}"
    text = f"{count_of(len(files), 'file')} left out: {told}"
    return finding(code, "warning", text, _each([file.path for file in files]), recommendation)


def wrong_extensions(survey: Survey) -> Finding | None:
    """A name that tells another format than the content; only other tools stumble over it."""
    found = [
        each.path
        for each in survey.seen
        if _EXTENSIONS.get(PurePosixPath(each.path).suffix.lower()) != each.seen.format
    ]
    return finding(
        "WV301",
        "info",
        f"{count_of(len(found), 'file')} of another format than the name says",
        _each(found),
        "nothing must be done here: the content decides",
    )


def odd(survey: Survey, oddity: Oddity) -> Finding | None:
    """Pictures that are odd in one way."""
    found = [each.path for each in survey.seen if oddity.applies(each.seen, survey.config)]
    text = f"{count_of(len(found), 'picture')} {oddity.message}"
    return finding(oddity.code, oddity.severity, text, _each(found), oddity.recommendation)


def exact_copies(survey: Survey) -> Finding | None:
    """The same bytes twice in one class."""
    pairs = [pair for pair in survey.duplicates.exact if survey.left_out[pair[1]] == "copy"]
    return finding(
        "WV401",
        "info",
        f"{count_of(len(pairs), 'exact duplicate')} left out",
        [survey.paths(*pair) for pair in pairs],
        "nothing must be done: one of each is kept",
    )


def near_copies(survey: Survey) -> Finding | None:
    """The same picture re-encoded, resized, turned or mirrored, and of one label."""
    kept = (
        [index for index in group if not survey.left_out[index]]
        for group in members(survey.duplicates.clusters)
    )
    groups = [group for group in kept if len(group) > 1]
    return finding(
        "WV402",
        "warning",
        f"{count_of(len(groups), 'group')} of near duplicates, each kept within one split",
        [survey.paths(*group[:_SHOWN_OF_A_GROUP]) for group in groups],
        "remove the lesser ones of each group: they add nothing to learn from",
    )


def conflicts(survey: Survey) -> Finding | None:
    """The same picture in two classes: one of the labels is wrong, and nobody knows which."""
    found = survey.duplicates
    pairs = [pair for pair in _all_pairs(found) if _labels_differ(survey, pair)]
    return finding(
        "WV403",
        "warning",
        f"{count_of(len(pairs), 'pair')} of the same picture with different labels, left out",
        [survey.paths(*pair) for pair in pairs],
        "keep each picture in the class that it belongs to",
    )


def parts(survey: Survey) -> Finding | None:
    """One picture shows a part of another: both teach, but neither may test the other."""
    pairs = [
        (a, b)
        for a, b in survey.duplicates.parts
        if not survey.left_out[a] and not survey.left_out[b]
    ]
    return finding(
        "WV404",
        "info",
        f"{count_of(len(pairs), 'pair')} of which one shows a part of the other",
        [survey.paths(*pair) for pair in pairs],
        "nothing must be done: both are kept within one split",
    )


def leaks(survey: Survey) -> Finding | None:
    """A picture that is like one to be tested on: the test would only show what was learnt."""
    return finding(
        "WV405",
        "warning",
        f"{count_of(len(survey.leaks), 'pair')} of a picture and one to be tested on that is the "
        "same or a part of it, left out",
        list(survey.leaks),
        "nothing must be done: what is tested on stays, what is like it is not trained on",
    )


def imbalance(survey: Survey) -> Finding | None:
    """Classes of very different sizes."""
    usable = {label: number for label, number in survey.usable.items() if number}
    if not usable:
        return None
    bound = _least(survey.config.checks.get("WV501") or Bounds(warn=_MAX_IMBALANCE))
    small, large = min(usable, key=usable.__getitem__), max(usable, key=usable.__getitem__)
    ratio = usable[large] / usable[small]
    wanted = ceil(usable[large] / max(bound, 1)) - usable[small]
    return class_finding(
        "WV501",
        "warning",
        f"{large} has {ratio:.1f} times the pictures of {small}, over {bound:g} times",
        [small] if ratio > bound else [],
        f"add {count_of(wanted, 'picture')} or more to {small}: the model will learn to guess "
        f"{large}",
        figure=round(ratio, 6),
        bound=bound,
    )


def _least(bounds: Bounds) -> float:
    """The figure from which on anything is said; never, when neither bound is given."""
    return min((each for each in (bounds.warn, bounds.stop) if each is not None), default=inf)


def _all_pairs(found: Duplicates) -> tuple[Pair, ...]:
    return (*found.exact, *found.near, *found.parts)


def _labels_differ(survey: Survey, pair: tuple[int, int]) -> bool:
    return survey.seen[pair[0]].label != survey.seen[pair[1]].label


def _each(paths: Sequence[str]) -> list[tuple[str, ...]]:
    return [(path,) for path in paths]


CHECKS: tuple[Check, ...] = (
    too_few_classes,
    empty_classes,
    small_classes,
    *(
        partial(misplaced, code=code, kind=kind, message=message, recommendation=recommendation)
        for code, kind, message, recommendation in (
            ("WV111", "loose", "{} beside the class folders, not read", "move each into a class"),
            ("WV112", "nested", "{} too deep or leading back, not read", "move the files up"),
            ("WV113", "unnamed", "{} whose name is not UTF-8, not read", "rename them"),
        )
    ),
    too_many_unusable,
    *(
        partial(unusable, code=code, fault=fault, message=message, recommendation=recommendation)
        for code, fault, message, recommendation in (
            ("WV201", "empty", "no bytes in it", "get the file again"),
            ("WV202", "pointer", "a Git LFS pointer instead of the picture", "run `git lfs pull`"),
            ("WV203", "format", "another format", "convert it to JPEG or PNG"),
            ("WV204", "unknown", "not a picture", "remove it"),
            ("WV205", "animated", "several frames", "keep one frame of it"),
            ("WV206", "large", "too large", "scale it down"),
            ("WV207", "small", "too small", "remove it, or find a larger version"),
            ("WV208", "damaged", "cut short or damaged", "get the file again"),
            ("WV209", "closed", "cannot be opened", "check its permissions and where links lead"),
        )
    ),
    wrong_extensions,
    *(partial(odd, oddity=each) for each in ODDITIES),
    exact_copies,
    near_copies,
    conflicts,
    parts,
    leaks,
    imbalance,
)

# What settings may bound.
CODES = frozenset(
    {
        check.keywords["code"]
        for check in CHECKS
        if isinstance(check, partial) and "code" in check.keywords
    }
    | {each.code for each in ODDITIES}
    | {f"WV{number}" for number in (101, 102, 103, 200, 301, 401, 402, 403, 404, 405, 501, 701)}
)
