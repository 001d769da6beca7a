"""What the evidence says about the canary: each rule gives its reason in words, or None. Pure.

In: a plan, and what was seen. Out: why the canary is worse, for people. `decide` makes actions of
it. docs/judgement.md has the whole on one page.
"""

from dataclasses import dataclass
from math import exp, lgamma, log

from scipy.stats import binomtest

from weathervane.rollout.counts import Counts
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.plan import Plan
from weathervane.rollout.sequential import Wager

# How the signals share the chance of a false alarm that the plan allows a whole rollout.
_SHARES = {
    "errors": 0.3,
    "errors alone": 0.1,
    "slowness": 0.3,
    "probes": 0.2,
    "split": 0.05,
    "shift": 0.05,
}
# A split that is off is expected to be so by some points: as sure as so many requests make one.
_SPLIT_PRIOR = 100.0


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


def failing(plan: Plan, evidence: Evidence, canary: Counts, stable: Counts) -> str | None:
    """Why the canary fails too much, beyond chance and beyond the plan's bound, if it does."""
    if canary.error_rate <= max(plan.max_error_rate, stable.error_rate):
        return None
    said = (
        f"the canary failed {canary.errors} of {canary.requests} requests "
        f"({canary.error_rate:.1%}), stable {stable.errors} of {stable.requests} "
        f"({stable.error_rate:.1%})"
    )
    if _beyond_chance(plan, "errors", evidence.errors):
        return f"{said}, p = {evidence.errors.p_value:.1g}"
    if _beyond_chance(plan, "errors alone", evidence.errors_alone):
        return (
            f"{said}; the plan allows {plan.max_error_rate:.1%}, "
            f"p = {evidence.errors_alone.p_value:.1g}"
        )
    return None


def slow(plan: Plan, evidence: Evidence, canary: Counts, stable: Counts) -> str | None:
    """Why the canary is too slow, beyond chance and beyond what the plan tolerates, if it is."""
    if not _beyond_chance(plan, "slowness", evidence.slowness):
        return None
    usual = stable.latency_quantile(0.95)
    bound = usual * plan.max_latency_ratio + plan.latency_slack_seconds
    return (
        f"the canary's p95 is {canary.latency_quantile(0.95) * 1000:.0f} ms, stable's at the same "
        f"time {usual * 1000:.0f} ms, p = {evidence.slowness.p_value:.1g}; "
        f"the plan tolerates {bound * 1000:.0f} ms"
    )


def misrouted(plan: Plan, canary: Counts, stable: Counts, weight: int) -> str | None:
    """Why the measured split is not the one asked for, beyond chance and tolerance, if it isn't."""
    requests = canary.requests + stable.requests
    if not requests:
        return None
    share = canary.requests / requests
    # What was under way when the weight changed ends in this step: few requests, ever fewer of it.
    if abs(share - weight / 100) <= plan.split_tolerance:
        return None
    if split_evidence(canary.requests, requests, weight / 100) * chance(plan, "split") < 1:
        return None
    return f"the canary gets {share:.1%} of {requests} requests, not the {weight} % asked for"


def losing(plan: Plan, probes: ProbeFigures) -> str | None:
    """Why the labelled probes allow no going on, if they don't."""
    if probes.canary_accuracy < plan.min_probe_accuracy and not _stable_is_as_bad(probes):
        return (
            f"the canary is right on {probes.canary_accuracy:.1%} of {probes.total} labelled "
            f"probes, the plan asks for {plan.min_probe_accuracy:.0%}"
        )
    stable = probes.stable_accuracy
    if stable is None:
        return None
    loss = stable - probes.canary_accuracy
    if loss <= plan.max_probe_loss or probes.p_value >= chance(plan, "probes"):
        return None
    return (
        f"the canary loses {loss:.1%} of accuracy on {probes.total} labelled probes "
        f"(canary {probes.canary_accuracy:.1%}, stable {stable:.1%}, p = {probes.p_value:.1g}); "
        f"the plan allows {plan.max_probe_loss:.0%}"
    )


def split_evidence(canary: int, requests: int, share: float) -> float:
    """Evidence that the canary's part of the requests is not ``share`` (0 to 1), at any look.

    The method of mixtures (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021) for a coin
    whose side has a beta distribution about ``share``: a closed form of the sums alone.
    """
    # At 0 and 100 % a request that was under way is no proof.
    share = min(max(share, 0.001), 0.999)
    of_canary, of_stable = share * _SPLIT_PRIOR, (1 - share) * _SPLIT_PRIOR
    stable = requests - canary
    log_evidence = (
        _log_beta(of_canary + canary, of_stable + stable)
        - _log_beta(of_canary, of_stable)
        - canary * log(share)
        - stable * log(1 - share)
    )
    return exp(min(log_evidence, 200.0))


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def chance(plan: Plan, signal: str) -> float:
    """How likely ``signal`` alone may call equal revisions different in a whole rollout."""
    return plan.significance * _SHARES[signal]


def _beyond_chance(plan: Plan, signal: str, wager: Wager) -> bool:
    return wager.evidence * chance(plan, signal) >= 1


def _stable_is_as_bad(probes: ProbeFigures) -> bool:
    """Whether refusing the canary would only keep something that is no better."""
    stable = probes.stable_accuracy
    return stable is not None and stable <= probes.canary_accuracy
