"""Comparisons of the canary with the stable revision. Numbers in, numbers out.

They know no clock, network or file. The bounds live in the plan; `decide` puts them together.
"""

from dataclasses import dataclass

from scipy.stats import binomtest, fisher_exact

from weathervane.rollout.counts import Counts


@dataclass(frozen=True, kw_only=True)
class ProbeFigures:
    """How the labelled probes were answered, picture by picture.

    ``stable_right`` is None when there is no stable revision to compare with.
    """

    canary_right: tuple[bool, ...]
    stable_right: tuple[bool, ...] | None

    @property
    def total(self) -> int:
        """Number of probes."""
        return len(self.canary_right)

    @property
    def canary_accuracy(self) -> float:
        """Share of probes that the canary labels rightly."""
        return sum(self.canary_right) / self.total if self.total else 0.0

    @property
    def stable_accuracy(self) -> float | None:
        """Share of probes that stable labels rightly, if there is one."""
        if self.stable_right is None:
            return None
        return sum(self.stable_right) / self.total if self.total else 0.0

    @property
    def p_value(self) -> float:
        """Exact one-sided McNemar: how likely so many losses are if the canary is not worse.

        McNemar (1947), in the exact binomial form: of the pictures on which the two differ,
        each is as likely a loss as a gain.
        """
        if self.stable_right is None:
            return 1.0
        pairs = list(zip(self.stable_right, self.canary_right, strict=True))
        losses = sum(stable and not canary for stable, canary in pairs)
        differing = sum(stable != canary for stable, canary in pairs)
        if not differing:
            return 1.0
        return float(binomtest(losses, differing, 0.5, alternative="greater").pvalue)


def errors_p_value(canary: Counts, stable: Counts) -> float:
    """Fisher's exact test, one-sided: how likely so many errors are if the canary is not worse."""
    table = [
        [canary.errors, canary.requests - canary.errors],
        [stable.errors, stable.requests - stable.errors],
    ]
    return float(fisher_exact(table, alternative="greater").pvalue)


def split_p_value(canary: Counts, stable: Counts, weight: int) -> float:
    """How likely a split this far off is if the gateway gives the canary ``weight`` percent."""
    requests = canary.requests + stable.requests
    if not requests:
        return 1.0
    return float(binomtest(canary.requests, requests, weight / 100).pvalue)
