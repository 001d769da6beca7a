"""What a rollout has learnt so far from the traffic of both revisions at the same time. Pure.

In: the figures of the present step at each look. Out: an `Evidence` that grows with the rollout
and is written down with its state. What is new since the last look is compared within that look
only: load, common failures and a common slowness may change as they like. docs/judgement.md says
what is tested how, and what it cannot see.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from weathervane.rollout.counts import LATENCY_BOUNDS, Answers, Counts, quantile, slower_than
from weathervane.rollout.dispersion import Dispersion
from weathervane.rollout.plan import Plan
from weathervane.rollout.sequential import (
    Wager,
    odds_growth,
    rate_growth,
    shift_growth,
)

# How many times higher the canary's odds may be: of an error, from somewhat worse to broken, and
# of a request slower than nearly all of stable's.
ERROR_ODDS = (2.5, 6.0, 50.0)
_SLOW_ODDS = (1.5, 2.5, 5.0)
# Of errors without a stable revision to compare with: times the plan's bound.
_ERROR_RATES = (1.5, 3.0, 10.0)
_QUANTILE = 0.95
# Where nearly all of stable's requests lie is learnt from so many of its last ones, and not told
# by fewer than so many.
_USUAL_REQUESTS = 500
_MIN_USUAL_REQUESTS = 40
# One look cannot make more than this of the evidence that the canary is slow (a log): a single
# slow spell is no regression.
_MAX_SLOW_GROWTH = 1.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Evidence that the canary is worse, since the rollout began."""

    # The step's figures as they went in last.
    canary: Counts = field(default_factory=Counts)
    stable: Counts = field(default_factory=Counts)
    # That the canary fails more of its requests than stable does.
    errors: Wager = field(default_factory=lambda: Wager.on(len(ERROR_ODDS)))
    # That more of its requests need a second try than of stable's.
    retries: Wager = field(default_factory=lambda: Wager.on(len(ERROR_ODDS)))
    # That it fails more than the plan's bound, while stable has no traffic.
    errors_alone: Wager = field(default_factory=lambda: Wager.on(len(_ERROR_RATES)))
    # That its p95 is above what the plan tolerates of stable's.
    slowness: Wager = field(default_factory=lambda: Wager.on(len(_SLOW_ODDS)))
    slow_noise: Dispersion = field(default_factory=Dispersion)
    usual_latency: tuple[float, ...] = ()  # stable's last requests by bucket
    # That the two answer differently: by their labels, or by how sure they are.
    shift: Wager = field(default_factory=lambda: Wager.on(2))
    canary_answers: Answers = field(default_factory=Answers)
    stable_answers: Answers = field(default_factory=Answers)
    # How many looks in a row have brought no new request of the canary.
    idle_looks: int = 0

    def restarted(self) -> "Evidence":
        """At the beginning of a step, whose figures start from nothing."""
        return replace(
            self,
            canary=Counts(),
            stable=Counts(),
            idle_looks=0,
            errors=self.errors.restarted(),
            retries=self.retries.restarted(),
            errors_alone=self.errors_alone.restarted(),
            slowness=self.slowness.restarted(),
            shift=self.shift.restarted(),
        )

    def after(self, plan: Plan, canary: Counts | None, stable: Counts | None) -> "Evidence":
        """Take in one look: the figures of the step so far, None where they can't be read.

        Without figures of both, or without a new request of the canary, everything waits for the
        look that has them.
        """
        if canary is None or stable is None:
            return self
        if canary.requests == self.canary.requests:
            return replace(self, idle_looks=self.idle_looks + 1)
        new, other = canary.since(self.canary), stable.since(self.stable)
        seen = replace(self, canary=canary, stable=stable, idle_looks=0)
        if not other.requests:
            return replace(seen, errors_alone=_failing_alone(self.errors_alone, plan, new))
        seen = replace(
            seen,
            errors=_hit(self.errors, new, new.errors, other, other.errors),
            # Each against its own kind: a replica of stable that is dead costs its clients nothing,
            # and shall not excuse a canary that does.
            retries=_hit(self.retries, new, new.retried, other, other.retried),
        )
        seen = seen._answered(new.answers, other.answers)
        return seen._timed(plan, new.latency, other.latency)

    def _answered(self, canary: Answers, stable: Answers) -> "Evidence":
        if not canary.total or not stable.total:
            return self
        before, before_stable = self.canary_answers, self.stable_answers
        by_label = [
            (
                before.labels.get(label, 0),
                before_stable.labels.get(label, 0),
                canary.labels.get(label, 0),
                stable.labels.get(label, 0),
            )
            for label in sorted({*canary.labels, *stable.labels})
        ]
        by_confidence = zip(
            before.confidence,
            before_stable.confidence,
            canary.confidence,
            stable.confidence,
            strict=True,
        )
        return replace(
            self,
            shift=self.shift.after([shift_growth(by_label), shift_growth(list(by_confidence))]),
            canary_answers=before + canary,
            stable_answers=before_stable + stable,
        )

    def _timed(self, plan: Plan, canary: Sequence[int], stable: Sequence[int]) -> "Evidence":
        learnt = replace(self, usual_latency=_learnt(self.usual_latency, stable))
        requests, stable_requests = sum(canary), sum(stable)
        if not requests or not stable_requests or sum(self.usual_latency) < _MIN_USUAL_REQUESTS:
            return learnt
        # Stable beyond its own p95, as it was just before, against the canary beyond that by what
        # the plan tolerates: equally likely if the canary is as slow as it may be. The canary's
        # mark is the bound of a bucket, stable's lies where it then has to.
        usual = quantile(self.usual_latency, _QUANTILE)
        slack = plan.latency_slack_seconds
        bucket = bisect_left(LATENCY_BOUNDS, usual * plan.max_latency_ratio + slack)
        if LATENCY_BOUNDS[bucket] == inf:
            return learnt
        slow = sum(canary[bucket + 1 :])
        mark = (LATENCY_BOUNDS[bucket] - slack) / plan.max_latency_ratio
        hits = slow + slower_than(mark, stable)
        if not hits:
            return learnt
        total = requests + stable_requests
        growth = odds_growth(
            _SLOW_ODDS, hits=hits, canary_hits=slow, requests=total, canary_requests=requests
        )
        share = requests / total
        # Of a draw without replacement.
        variance = hits * share * (1 - share) * (total - hits) / max(total - 1, 1)
        factor = self.slow_noise.factor
        return replace(
            learnt,
            slowness=self.slowness.after([min(by / factor, _MAX_SLOW_GROWTH) for by in growth]),
            slow_noise=self.slow_noise.after(slow - hits * share, variance),
        )


def _hit(wager: Wager, canary: Counts, of_canary: int, stable: Counts, of_stable: int) -> Wager:
    """Whether so many of the canary's requests are more than so many of stable's."""
    if not of_canary + of_stable:
        return wager
    return wager.after(
        odds_growth(
            ERROR_ODDS,
            hits=of_canary + of_stable,
            canary_hits=of_canary,
            requests=canary.requests + stable.requests,
            canary_requests=canary.requests,
        )
    )


def _failing_alone(wager: Wager, plan: Plan, canary: Counts) -> Wager:
    # Inside of 0 to 1, whatever the plan says.
    bound = min(max(plan.max_error_rate, 1e-4), 0.9)
    rates = [min(bound * times, (1 + bound) / 2) for times in _ERROR_RATES]
    return wager.after(rate_growth(rates, bound, hits=canary.errors, requests=canary.requests))


def _learnt(usual: Sequence[float], stable: Sequence[int]) -> tuple[float, ...]:
    """The last requests: earlier ones fade as new ones come."""
    if not usual:
        return tuple(map(float, stable))
    keep = min(1.0, _USUAL_REQUESTS / max(sum(usual), 1.0))
    return tuple(keep * before + now for before, now in zip(usual, stable, strict=True))
