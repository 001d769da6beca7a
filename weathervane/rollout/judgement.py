"""What the evidence says about the canary: each rule gives its reason in words, or None. Pure.

In: a plan, and what was seen. Out: why the canary is worse, for people. `decide` makes actions of
it. docs/judgement.md has the whole on one page.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from weathervane.rollout.counts import Counts
from weathervane.rollout.evidence import Evidence
from weathervane.rollout.plan import Plan
from weathervane.rollout.sequential import Wager, split_evidence

# How the signals share the chance of a false alarm that the plan allows a whole rollout.
_SHARES = {
    "errors": 0.25,
    "retries": 0.05,
    "errors alone": 0.1,
    "slowness": 0.3,
    "probes": 0.2,
    "split": 0.05,
    "shift": 0.05,
}


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
        from scipy.stats import binomtest

        if self.stable_right is None:
            return 1.0
        pairs = list(zip(self.stable_right, self.canary_right, strict=True))
        losses = sum(stable and not canary for stable, canary in pairs)
        differing = sum(stable != canary for stable, canary in pairs)
        if not differing:
            return 1.0
        return float(binomtest(losses, differing, 0.5, alternative="greater").pvalue)


@dataclass(frozen=True, kw_only=True)
class Flips:
    """How often the two labelled the same pictures differently.

    ``table`` counts them by "stable's label → canary's"; ``total`` is the number of pictures.
    """

    total: int
    table: Mapping[str, int]

    @property
    def share(self) -> float:
        """Share of the pictures that changed their label."""
        return sum(self.table.values()) / self.total if self.total else 0.0


def compare_labels(stable: Sequence[str], canary: Sequence[str]) -> Flips:
    """The answers of both to the same pictures, in the same order."""
    pairs = zip(stable, canary, strict=True)
    table = Counter(f"{before} → {after}" for before, after in pairs if before != after)
    return Flips(total=len(stable), table=dict(table))


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


def retrying(plan: Plan, evidence: Evidence, canary: Counts, stable: Counts) -> str | None:
    """Why too many of its requests need a second try, beyond chance and the bound, if they do.

    Clients see nothing of it, as long as there is somebody to try next.
    """
    if canary.retry_rate <= max(plan.max_error_rate, stable.retry_rate):
        return None
    if not _beyond_chance(plan, "retries", evidence.retries):
        return None
    return f"{told_retries(canary, stable)}, p = {evidence.retries.p_value:.1g}"


def told_retries(canary: Counts, stable: Counts) -> str:
    """Lost first tries of both, in words."""
    return (
        f"the canary lost the first try of {canary.retried} of {canary.requests} requests "
        f"({canary.retry_rate:.1%}), stable of {stable.retried} of {stable.requests} "
        f"({stable.retry_rate:.1%})"
    )


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


def seems_slow(plan: Plan, canary: Counts, stable: Counts) -> str | None:
    """What speaks against going on although chance may explain it: the p95 as it is so far.

    `slow` needs several looks, so that one slow spell is no regression; a short step may end
    before.
    """
    if min(canary.requests, stable.requests) < plan.min_canary_requests:
        return None
    usual, found = stable.latency_quantile(0.95), canary.latency_quantile(0.95)
    bound = usual * plan.max_latency_ratio + plan.latency_slack_seconds
    # NaN, where a platform tells of no latency, is above nothing.
    if not found > bound:
        return None
    return (
        f"the canary's p95 is {found * 1000:.0f} ms so far, stable's {usual * 1000:.0f} ms: too "
        "few looks yet to tell it from chance"
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


def shifted(plan: Plan, evidence: Evidence) -> str | None:
    """Why the canary's answers to live traffic are too different from stable's, if they are."""
    canary, stable = evidence.canary_answers, evidence.stable_answers
    if not _beyond_chance(plan, "shift", evidence.shift):
        return None
    labels = {*canary.labels, *stable.labels}
    distance = max(
        _distance(
            [canary.labels.get(label, 0) for label in labels],
            [stable.labels.get(label, 0) for label in labels],
        ),
        _distance(canary.confidence, stable.confidence),
    )
    if distance <= plan.max_shift:
        return None
    return (
        f"the canary's labels or confidences differ from stable's on {distance:.1%} of the live "
        f"traffic, p = {evidence.shift.p_value:.1g}; the plan allows {plan.max_shift:.0%}"
    )


def flipped(plan: Plan, flips: Flips) -> str | None:
    """Why the two label too many of the same pictures differently, if they do."""
    if not flips.total or flips.share <= plan.max_flip_share:
        return None
    worst = max(flips.table, key=lambda pair: flips.table[pair])
    return (
        f"the canary labels {flips.share:.1%} of {flips.total} replayed pictures differently, "
        f"most often {worst} ({flips.table[worst]}); the plan allows {plan.max_flip_share:.0%}"
    )


def chance(plan: Plan, signal: str) -> float:
    """How likely ``signal`` alone may call equal revisions different in a whole rollout."""
    return plan.significance * _SHARES[signal]


def _distance(canary: Iterable[int], stable: Iterable[int]) -> float:
    """Total variation between two distributions over the same kinds, 0 to 1."""
    ours, theirs = list(canary), list(stable)
    return (
        sum(
            abs(a / max(sum(ours), 1) - b / max(sum(theirs), 1))
            for a, b in zip(ours, theirs, strict=True)
        )
        / 2
    )


def _beyond_chance(plan: Plan, signal: str, wager: Wager) -> bool:
    return wager.evidence * chance(plan, signal) >= 1


def _stable_is_as_bad(probes: ProbeFigures) -> bool:
    """Whether refusing the canary would only keep something that is no better."""
    stable = probes.stable_accuracy
    return stable is not None and stable <= probes.canary_accuracy
