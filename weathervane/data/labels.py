"""Labels that are probably wrong: features and labels in, the pictures to look at again out.

A light model is trained on four fifths of the pictures and asked about the last fifth, five times
over, so that it judges no picture that it has seen. A label is suspected by the rule of confident
learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", JAIR 70, 2021, section 3.1): the model is as sure of another class as it is, on average, of
pictures that carry the label of that class.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weathervane.config import ValidationConfig
from weathervane.data.findings import Finding, finding, rated
from weathervane.data.traits import Traits, describe_all
from weathervane.data.words import count_of

if TYPE_CHECKING:
    from weathervane.data.report import Report

_FOLDS = 5
# Classes with fewer different pictures are not judged: each fold is asked about two of them.
_LEAST_PICTURES = 2 * _FOLDS
# The discriminant's time grows with the cube of the features: of more, the main components do.
_MAX_FEATURES, _COMPONENTS = 256, 128

Probabilities = NDArray[np.float64]  # [n, classes]
Numbers = NDArray[np.int64]  # [n]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A picture whose label is probably wrong."""

    path: str
    label: str
    suggested: str
    given: float  # how probable the label is to the model
    instead: float  # how probable the suggested one is


def find_suspects(
    paths: Sequence[str], labels: Sequence[str], clusters: Sequence[str], traits: Traits
) -> tuple[Suspect, ...]:
    """The pictures to look at again, the likeliest errors first; the same for the same pictures.

    Args:
        paths: of each picture.
        labels: of each.
        clusters: of each; pictures of one cluster are the same and never judge each other.
        traits: features [n, features].
    """
    # Copies in one cluster are one picture to learn from.
    different = Counter(label for label, _ in {*zip(labels, clusters, strict=True)})
    enough = {label for label, count in different.items() if count >= _LEAST_PICTURES}
    kept = [number for number, label in enumerate(labels) if label in enough]
    if len(enough) < 2:
        return ()
    names, numbers = np.unique([labels[number] for number in kept], return_inverse=True)
    probabilities = out_of_fold(traits[kept], numbers, [clusters[number] for number in kept])
    suggested = suggest(probabilities, numbers)
    suspects = [
        Suspect(
            path=paths[number],
            label=labels[number],
            suggested=str(names[better]),
            given=round(float(row[own]), 4),
            instead=round(float(row[better]), 4),
        )
        for number, row, own, better in zip(kept, probabilities, numbers, suggested, strict=True)
        if own != better
    ]
    return tuple(sorted(suspects, key=lambda each: (each.given - each.instead, each.path)))


def search(
    report: "Report",
    config: ValidationConfig | None = None,
    describe: Callable[[Sequence[Path]], Traits] = describe_all,
) -> "Report":
    """The report with what is probably wrong among the pictures that would go into a manifest.

    ``config`` may bound WV701 by its figure, the share of those pictures. ``describe`` is given
    their files, and gives features; this is what takes the time.
    """
    used = [each for each in report.pictures if not each.left_out]
    if not used:
        return report
    traits = describe([Path(report.folder) / each.path for each in used])
    suspects = find_suspects(
        [each.path for each in used],
        [each.label for each in used],
        [each.scene for each in used],
        traits,
    )
    found = suspect_finding(suspects)
    if found:
        bounds = (config or ValidationConfig()).checks.get(found.code)
        found = rated(found, round(len(suspects) / len(used), 6), bounds)
    return report.with_suspects(suspects, found)


def out_of_fold(traits: Traits, labels: Numbers, clusters: Sequence[str]) -> Probabilities:
    """What a linear discriminant that never saw a picture, nor one like it, makes of it."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities = np.zeros((len(labels), int(labels.max()) + 1))
    wide = traits.shape[1] > _MAX_FEATURES
    narrower = [PCA(min(_COMPONENTS, len(labels) // 2), random_state=0)] if wide else []
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    for training, asked in folds.split(traits, labels, clusters):
        # Shrinkage (Ledoit and Wolf) makes do with few pictures.
        discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model = make_pipeline(StandardScaler(), *narrower, discriminant).fit(
            traits[training], labels[training]
        )
        probabilities[np.ix_(asked, model.classes_)] = model.predict_proba(traits[asked])
    return probabilities


def suggest(probabilities: Probabilities, labels: Numbers) -> Numbers:
    """The class that confident learning takes each picture for; its own where nothing speaks up.

    The threshold of a class is the mean probability of it over the pictures that carry its label.
    A label that is the likeliest of all stays, although its own class may expect more.
    """
    classes = range(probabilities.shape[1])
    thresholds = np.array([probabilities[labels == each, each].mean() for each in classes])
    sure = probabilities >= thresholds
    best = np.where(sure, probabilities, -1.0).argmax(axis=1)
    doubted = sure.any(axis=1) & (probabilities.argmax(axis=1) != labels)
    return np.where(doubted, best, labels)


def suspect_finding(suspects: Sequence[Suspect]) -> Finding | None:
    """WV701, when there is any."""
    pairs = Counter((each.label, each.suggested) for each in suspects).most_common(1)
    most = "".join(f", such as {n} {label} that looks {other}" for (label, other), n in pairs)
    return finding(
        "WV701",
        "warning",
        f"{count_of(len(suspects), 'label')} probably wrong{most}",
        [(each.path,) for each in suspects],
        "look at them, the first ones first, and move each into the class that it shows",
    )
