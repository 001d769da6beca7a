"""The same pictures to both revisions, and how often they say the same. Pure arithmetic.

In: the labels that each revision gave. Out: `ReplayFigures`. No picture has a true label here, so
a flip is a difference, not yet a loss.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ReplayFigures:
    """How often the canary said something else than stable.

    ``flips`` maps ``"stable's label → canary's label"`` to a number of pictures.
    """

    total: int
    flips: Mapping[str, int] = field(default_factory=dict)

    @property
    def flipped(self) -> int:
        """Pictures that the two label differently."""
        return sum(self.flips.values())

    @property
    def flip_share(self) -> float:
        """Share of the pictures that the two label differently; 0 when there were none."""
        return self.flipped / self.total if self.total else 0.0

    @property
    def told(self) -> str:
        """The figures in words, the most frequent flips first."""
        said = f"{self.flipped} of {self.total} replayed pictures labelled differently"
        most = sorted(self.flips.items(), key=lambda flip: (-flip[1], flip[0]))[:3]
        return said + (f" ({', '.join(f'{way}: {n}' for way, n in most)})" if most else "")


def compare(stable: Sequence[str], canary: Sequence[str]) -> ReplayFigures:
    """Compare two sequences of labels, picture by picture.

    Raises:
        ValueError: when they are not equally long.
    """
    pairs = zip(stable, canary, strict=True)
    flips = Counter(f"{old} → {new}" for old, new in pairs if old != new)
    return ReplayFigures(total=len(stable), flips=dict(sorted(flips.items())))
