"""What a plan can see, and how much it takes to see it. Pure.

In: a plan or its figures, and the difference that one asks about. Out: numbers of probes or of
requests. All of them are estimates before the fact; judging uses none of them.
"""

from math import ceil, log, log1p

import numpy as np

from weathervane.rollout.evidence import ERROR_ODDS
from weathervane.rollout.judgement import chance
from weathervane.rollout.plan import Plan

_MOST_PROBES = 100_000
# Of the evidence's mixture, what the first stake on one alternative is worth (a log).
_STAKE = log(2 * len(ERROR_ODDS))


def probe_power(plan: Plan, *, probes: int, loss: float, disagreement: float) -> float:
    """Chance that ``probes`` labelled pictures take back a canary that loses ``loss`` of accuracy.

    Args:
        plan: its ``max_probe_loss`` and significance are used.
        probes: how many of them are sent.
        loss: share of accuracy lost, above 0.
        disagreement: share of pictures that only one of the two labels rightly, at least ``loss``.

    Exact, over all outcomes of McNemar's test: the probes on which the two disagree are binomial,
    and of those the losses are.
    """
    from scipy.stats import binom

    differing = np.arange(probes + 1)
    lost_share = min((disagreement + loss) / (2 * disagreement), 1.0)
    # The fewest losses that are beyond chance, and beyond what the plan allows.
    beyond_chance = binom.isf(chance(plan, "probes"), differing, 0.5) + 1
    beyond_plan = np.floor((differing + plan.max_probe_loss * probes) / 2) + 1
    needed = np.maximum(beyond_chance, beyond_plan)
    caught = binom.sf(needed - 1, differing, lost_share)
    return float(np.sum(binom.pmf(differing, probes, disagreement) * caught))


def probes_needed(
    plan: Plan, *, loss: float, disagreement: float, power: float = 0.95
) -> int | None:
    """The fewest probes that take back such a canary with ``power``; None when none do."""
    if loss <= plan.max_probe_loss:
        return None
    enough = 16
    while probe_power(plan, probes=enough, loss=loss, disagreement=disagreement) < power:
        enough *= 2
        if enough > _MOST_PROBES:
            return None
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if probe_power(plan, probes=middle, loss=loss, disagreement=disagreement) < power:
            too_few = middle
        else:
            enough = middle
    return enough


def visible_loss(
    plan: Plan, *, probes: int, disagreement: float, power: float = 0.95
) -> float | None:
    """The smallest loss of accuracy that ``probes`` see with ``power``, to a tenth of a percent.

    None when even a canary that is wrong wherever the two disagree goes unseen.
    """
    for thousandth in range(1, int(disagreement * 1000) + 1):
        loss = thousandth / 1000
        if probe_power(plan, probes=probes, loss=loss, disagreement=disagreement) >= power:
            return loss
    return None


def requests_to_see_errors(plan: Plan, *, weight: int, stable: float, canary: float) -> float:
    """About how many requests in all it takes to see the canary fail more, at ``weight`` percent.

    ``stable`` and ``canary`` are error rates, the second the higher. The evidence must grow to
    1/chance, and grows by the expectation of `sequential.odds_growth` with each request (Wald
    1945). Infinite when it does not grow.
    """
    share = weight / 100
    hits = share * canary + (1 - share) * stable
    growth = max(
        share * canary * log(odds) - hits * log1p(share * (odds - 1)) for odds in ERROR_ODDS
    )
    if growth <= 0:
        return float("inf")
    return ceil((_STAKE - log(chance(plan, "errors"))) / growth)
