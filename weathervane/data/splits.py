"""Which picture belongs to which split: by class in exact shares, scenes whole, old ones unmoved.

In: pictures with their labels and scenes, and where those of an earlier time went. Out: the split
of each picture. Pure.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, sqrt
from statistics import NormalDist
from typing import Protocol, TypeVar

from weathervane.config import SplitConfig
from weathervane.data.words import count_of
from weathervane.errors import DataError

SPLITS = ("train", "validation", "test", "probe")

# What a rollout asks of its probes: how seldom it may take back an equal model on their word, how
# often it must see a worse one, and on how many pictures only one of two models is right.
_CHANCE, _POWER, _DISAGREEMENT = 0.002, 0.95, 0.06

Part = TypeVar("Part")


class Picture(Protocol):
    """What splitting must know of a picture."""

    @property
    def label(self) -> str:
        """Its class."""

    @property
    def sha256(self) -> str:
        """Its content."""

    @property
    def scene(self) -> str:
        """What it shares with pictures that it may not be parted from."""


def deal(
    pictures: Iterable[Picture], config: SplitConfig, before: Mapping[str, str]
) -> dict[str, str]:
    """The split of each picture by its sha256; a picture without one must be set aside.

    A picture whose sha256 is in ``before`` keeps the split that it had, and what is new in its
    scene joins it. What is new and of one scene with old pictures of different splits would let
    one of them tell about the other: it is set aside. Other scenes are dealt.

    Raises:
        DataError: naming the class that does not reach every split.
    """
    scenes = _by_scene(pictures)
    labels = {each.sha256: each.label for found in scenes.values() for each in found}
    splits = {sha256: before[sha256] for sha256 in labels if sha256 in before}
    fresh: dict[str, Counter[str]] = {}
    for scene, found in scenes.items():
        homes = {splits[each.sha256] for each in found if each.sha256 in splits}
        if not homes:
            fresh[scene] = Counter(each.label for each in found)
        elif len(homes) == 1:
            (home,) = homes
            splits |= {each.sha256: home for each in found}
    lacking = _shares(labels.values(), config)
    for sha256, split in splits.items():
        lacking[labels[sha256], split] -= 1
    dealt = _deal(fresh, lacking, SPLITS, config.seed)
    splits |= {each.sha256: split for scene, split in dealt.items() for each in scenes[scene]}
    _require_all(labels, splits)
    return splits


def fold(pictures: Iterable[Picture], folds: int, seed: int) -> dict[str, int]:
    """The fold of each picture by its sha256, from 0: by class in equal shares, scenes whole.

    Raises:
        DataError: when there are not as many different scenes of a class as folds.
    """
    scenes = _by_scene(pictures)
    content = {scene: Counter(each.label for each in found) for scene, found in scenes.items()}
    totals = sum(content.values(), Counter[str]())
    for label in sorted(totals):
        different = sum(label in counted for counted in content.values())
        if different < folds:
            raise DataError(
                f"class {label!r} has {different} different pictures to train on, too few for "
                f"{folds} folds: add pictures, or ask for fewer folds"
            )
    numbers = range(folds)
    # What does not come out even goes to the first folds of one class and the last of the next.
    lacking = {
        (label, number): len(range(number if place % 2 else folds - 1 - number, total, folds))
        for place, (label, total) in enumerate(sorted(totals.items()))
        for number in numbers
    }
    dealt = _deal(content, lacking, numbers, seed)
    return {each.sha256: number for scene, number in dealt.items() for each in scenes[scene]}


def probes_to_see(loss: float) -> int:
    """How many labelled pictures see that a model is right on ``loss`` fewer of them.

    For McNemar's test of one side, in the normal approximation (Connor, "Sample Size for Testing
    Differences in Proportions for the Paired-Sample Design", Biometrics 43, 1987).
    """
    normal, differing = NormalDist(), max(_DISAGREEMENT, loss)
    equal = normal.inv_cdf(1 - _CHANCE) * sqrt(differing)
    worse = normal.inv_cdf(_POWER) * sqrt(differing - loss**2)
    return ceil(((equal + worse) / loss) ** 2)


def loss_seen_by(probes: int) -> float:
    """The smallest loss of accuracy that so many probes see, to a tenth of a percent; 1 if none."""
    return next((n / 1000 for n in range(1, 1000) if probes_to_see(n / 1000) <= probes), 1.0)


def _by_scene(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    scenes: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        scenes[picture.scene].append(picture)
    return scenes


def _deal(
    scenes: Mapping[str, Counter[str]],
    lacking: dict[tuple[str, Part], int],
    parts: Sequence[Part],
    seed: int,
) -> dict[str, Part]:
    """The part of each scene: one by one, the part that lacks most pictures of its classes.

    Large scenes come first, so that small ones can make up for them; the seed orders the equals.
    """

    def turn(scene: str) -> tuple[int, str]:
        drawn = hashlib.sha256(f"{seed}:{scene}".encode()).hexdigest()
        return -scenes[scene].total(), drawn

    dealt: dict[str, Part] = {}
    for scene in sorted(scenes, key=turn):
        content = scenes[scene]
        chosen = max(parts, key=lambda part: sum(lacking[label, part] for label in content))
        dealt[scene] = chosen
        for label, number in content.items():
            lacking[label, chosen] -= number
    return dealt


def _shares(labels: Iterable[str], config: SplitConfig) -> dict[tuple[str, str], int]:
    """How many pictures of each class each split should have."""
    totals = Counter(labels)
    # More probes than see the loss asked for are better trained on.
    probe = min(config.probe, probes_to_see(config.probe_loss) / max(totals.total(), 1))
    shares = {"validation": config.validation, "test": config.test, "probe": probe}
    wanted: dict[tuple[str, str], int] = {}
    for label, total in sorted(totals.items()):
        parts = {split: max(1, round(total * share)) for split, share in shares.items()}
        parts["train"] = total - sum(parts.values())
        if parts["train"] < 1:
            raise DataError(
                f"class {label!r} has {count_of(total, 'picture')}, which leaves none to train "
                "on: add pictures, or lower the shares of the splits"
            )
        wanted |= {(label, split): number for split, number in parts.items()}
    return wanted


def _require_all(labels: Mapping[str, str], splits: Mapping[str, str]) -> None:
    reached = {(labels[sha256], split) for sha256, split in splits.items()}
    for label, total in sorted(Counter(labels.values()).items()):
        missed = [split for split in SPLITS if (label, split) not in reached]
        if missed:
            raise DataError(
                f"class {label!r} has too few different pictures ({total}) to reach the "
                f"{count_of(len(missed), 'split')} {', '.join(missed)}: add pictures"
            )
