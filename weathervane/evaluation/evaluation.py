"""What is known of one model when it is judged: plain values, written by `evaluate`, read by gates.

Nothing here computes; places are places in the list of classes or of test pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from weathervane.evaluation.explain import Explanation
from weathervane.evaluation.metrics import Figures
from weathervane.evaluation.outliers import OutlierFigures


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The engine that serves the package beside the SavedModel, on every test picture."""

    largest_difference: float  # of a probability; 1 when an answer is no number
    labels_differing: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many of so many pictures."""

    right: int
    pictures: int

    @property
    def accuracy(self) -> float:
        """From 0 to 1; 0 of no pictures."""
        return self.right / self.pictures if self.pictures else 0.0


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whether a candidate is what was trained, and whether its test was fair."""

    # Test pictures whose file, or a near duplicate of it, is among the training pictures.
    leaked: int
    # On the validation pictures: as the training recorded it, and of what was exported.
    trained_accuracy: float
    exported_accuracy: float
    # On the probe pictures, which nobody trains, tunes or stops by.
    unseen: Share


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One model on the test pictures of one version of the data."""

    name: str
    data_digest: str
    figures: Figures
    # In the order of the test pictures: what pairs two models.
    labels: tuple[int, ...]
    predicted: tuple[int, ...]
    # Of one picture through the engine of the package, on one core, in seconds; of the SavedModel
    # when the package has no other.
    latency_p50_seconds: float
    latency_p95_seconds: float
    size_mebibytes: float  # of the files that are served: SavedModel and LiteRT
    parity: Parity | None = None  # None: the package is served by TensorFlow
    origin: Origin | None = None  # None: a champion, which was judged when it was new
    slices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # places of test pictures
    # Accuracy by disturbance, "none" among them: the same pictures, perhaps not all.
    robustness: Mapping[str, float] = field(default_factory=dict)
    outliers: OutlierFigures | None = None
    explanations: tuple[Explanation, ...] = ()

    def accuracy_of(self, slice_name: str) -> float:
        """The accuracy on one slice."""
        places = self.slices[slice_name]
        return sum(self.labels[one] == self.predicted[one] for one in places) / len(places)
