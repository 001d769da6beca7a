"""Whether one set of pictures is like another: two baselines in, figures and findings out.

Three figures for each feature, over all pictures and within each class, and one for the shares of
the classes. A figure counts when it is both large and more than chance explains, so that small sets
raise no alarm.

- PSI, the population stability index, over tenths of the baseline: sum of (q - p) ln(q / p)
  (Siddiqi, "Credit Risk Scorecards", 2006). Chance: Pearson's chi-squared test of the same bins,
  which holds for small sets as well, where PSI itself has long tails.
- KS, the largest difference of the two cumulative distributions (Kolmogorov, Smirnov), and its
  test.
- Wasserstein's distance, in standard deviations of the baseline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weathervane.config import ShiftConfig
from weathervane.data.baseline import EVERY, Baseline
from weathervane.data.findings import SEVERITIES, Finding, Severity
from weathervane.data.words import count_of

_BINS = 10
# A class with fewer pictures on either side is not compared within itself.
_LEAST_PICTURES = 20
_LEAST_DEVIATION = 1e-6
_SHOWN = 4  # features named in a message

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far a feature, or the shares of the classes, moved."""

    feature: str  # "classes" for their shares
    label: str  # the class within which it was looked at; `EVERY` for all
    psi: float
    ks: float | None  # None where there is no order: for the shares of the classes
    wasserstein: float | None  # in standard deviations of the baseline
    before: float  # medians; 0 for the shares of the classes
    now: float
    severity: Severity  # "info": no shift


@dataclass(frozen=True, kw_only=True)
class Shift:
    """All that was compared."""

    baseline: str
    source: str
    differences: tuple[Difference, ...]

    @property
    def moved(self) -> tuple[Difference, ...]:
        """What shifted, the worst first."""
        moved = [each for each in self.differences if each.severity != "info"]
        return tuple(sorted(moved, key=lambda each: -each.psi))


def compare(baseline: Baseline, now: Baseline, config: ShiftConfig) -> Shift:
    """Compare all features of all pictures and of each class, and the shares of the classes."""
    labels = [EVERY] + [
        label
        for label, count in baseline.counts.items()
        if min(count, now.counts.get(label, 0)) >= _LEAST_PICTURES
    ]
    pairs = [(feature, label) for label in labels for feature in baseline.classes[EVERY].features]
    # Of many comparisons some are odd by chance: each must be so much more unlikely.
    significance = config.significance / (len(pairs) + 1)
    differences = [_of_classes(baseline.counts, now.counts, config, significance)]
    for feature, label in pairs:
        one, other = baseline.classes[label], now.classes[label]
        differences.append(
            _of_feature(
                (feature, label),
                (np.array(one.features[feature]), one.count),
                (np.array(other.features[feature]), other.count),
                config,
                significance,
            )
        )
    return Shift(baseline=baseline.source, source=now.source, differences=tuple(differences))


def shift_findings(shift: Shift) -> tuple[Finding, ...]:
    """What a person should know of a shift: WV601 of all, WV602 of shares, WV603 within classes."""
    kinds = (
        ("WV601", "the pictures", [d for d in shift.moved if not d.label and d.ks is not None]),
        ("WV602", "the shares of the classes", [d for d in shift.moved if d.ks is None]),
        ("WV603", "pictures of one class", [d for d in shift.moved if d.label]),
    )
    return tuple(
        Finding(
            code=code,
            severity=max((each.severity for each in moved), key=SEVERITIES.index),
            message=f"{what} are not as in {shift.baseline}: {_told(moved)}",
            count=len(moved),
            examples=(),
            recommendation="see whether what is new is meant to be; measure the model on it, and "
            "train on pictures of both",
        )
        for code, what, moved in kinds
        if moved
    )


def population_stability(before: Values, now: Values) -> float:
    """PSI of counts [bins] of the same bins; an empty bin counts as half a picture."""
    p, q = (np.maximum(counts, 0.5) for counts in (before, now))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def _of_feature(
    what: tuple[str, str],
    before: tuple[Values, int],
    now: tuple[Values, int],
    config: ShiftConfig,
    significance: float,
) -> Difference:
    from scipy.stats import ks_2samp, kstwo, wasserstein_distance

    (one, n), (other, m) = before, now
    # Bins hold equal shares of the baseline, however often a value repeats.
    edges = np.unique(np.quantile(one, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [_counts(values, number, edges) for values, number in (before, now)]
    psi = population_stability(*counts)
    ks = float(ks_2samp(one, other, method="asymp").statistic)
    deviation = max(float(one.std()), _LEAST_DEVIATION)
    moved = float(wasserstein_distance(one, other)) / deviation
    chance = max(1, round(n * m / (n + m)))
    severity = _severity(psi, config.psi) if _chance(counts) < significance else "info"
    if kstwo.sf(ks, chance) < significance:
        worst = (severity, _severity(ks, config.ks), _severity(moved, config.wasserstein))
        severity = max(worst, key=SEVERITIES.index)
    feature, label = what
    return Difference(
        feature=feature,
        label=label,
        psi=round(psi, 4),
        ks=round(ks, 4),
        wasserstein=round(moved, 4),
        before=float(np.median(one)),
        now=float(np.median(other)),
        severity=severity,
    )


def _of_classes(
    before: Mapping[str, int], now: Mapping[str, int], config: ShiftConfig, significance: float
) -> Difference:
    labels = sorted({*before, *now})
    counts = [
        np.array([each.get(label, 0) for label in labels], np.float64) for each in (before, now)
    ]
    psi = population_stability(*counts)
    return Difference(
        feature="classes",
        label=EVERY,
        psi=round(psi, 4),
        ks=None,
        wasserstein=None,
        before=0,
        now=0,
        severity=_severity(psi, config.psi) if _chance(counts) < significance else "info",
    )


def _counts(values: Values, number: int, edges: Values) -> Values:
    """How many of ``number`` pictures are in each bin, as far as their quantiles tell."""
    found = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.asarray(found * (number / len(values)), np.float64)


def _chance(counts: Sequence[Values]) -> float:
    """How probable so different counts are when both are from the same source."""
    from scipy.stats import chi2_contingency

    filled = np.array(counts)[:, np.sum(counts, axis=0) > 0]
    return float(chi2_contingency(filled, correction=False).pvalue) if filled.shape[1] > 1 else 1.0


def _severity(figure: float, bounds: tuple[float, float]) -> Severity:
    warn, stop = bounds
    return "error" if figure >= stop else "warning" if figure >= warn else "info"


def _told(moved: Sequence[Difference]) -> str:
    named = ", ".join(
        f"{f'{each.label}: ' if each.label else ''}{each.feature} (PSI {each.psi:.2f})"
        for each in moved[:_SHOWN]
    )
    more = len(moved) - _SHOWN
    return f"{named} and {count_of(more, 'other')}" if more > 0 else named
