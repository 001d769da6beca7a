"""The gate: from figures to a verdict. Pure; every gate gives its figure, its bound and why.

A candidate must reach absolute bounds, and must not be worse than the champion on the same
pictures. A candidate that is refused is a result, not an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from weathervane.config import GateConfig
from weathervane.evaluation.metrics import Evaluation


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One comparison of a figure with a bound. ``reason`` says it in words."""

    name: str
    figure: float
    bound: float
    passed: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All gates of one candidate."""

    passed: bool
    gates: tuple[Gate, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the gates that refused said; of a candidate that passed, what all of them said."""
        return tuple(gate.reason for gate in self.gates if self.passed or not gate.passed)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Every candidate's figures and verdict, and the one that was chosen."""

    chosen: str | None
    evaluations: Mapping[str, Evaluation]
    champion: Evaluation | None
    verdicts: Mapping[str, Verdict]

    @property
    def passed(self) -> bool:
        """Whether one of the candidates passed every gate."""
        return self.chosen is not None


def judge(candidate: Evaluation, champion: Evaluation | None, config: GateConfig) -> Verdict:
    """Hold one candidate against the bounds, and against the champion when there is one.

    Raises:
        ValueError: when the two did not answer the same pictures.
    """
    figures = candidate.figures
    worst, recall = min(
        ((name, one.recall) for name, one in figures.classes.items() if one.support),
        key=lambda pair: pair[1],
    )
    gates = [
        _at_most("share of pictures without an answer", figures.unanswered, 0.0),
        _at_least("accuracy", figures.accuracy, config.min_accuracy),
        _at_least("macro F1", figures.macro_f1, config.min_macro_f1),
        _at_least(f"recall of the worst class, {worst}", recall, config.min_class_recall),
        _at_most("latency p95, s", candidate.latency_p95_seconds, config.max_latency_p95_seconds),
        _at_most("size, MiB", candidate.size_mebibytes, config.max_package_mebibytes),
    ]
    if champion is not None:
        gates += _against(candidate, champion, config)
    return Verdict(passed=all(gate.passed for gate in gates), gates=tuple(gates))


def choose(
    candidates: Sequence[Evaluation], champion: Evaluation | None, config: GateConfig
) -> Judgement:
    """Judge every candidate; the most accurate of those that pass is chosen, the smallest on a tie.

    Raises:
        ValueError: when there is no candidate, or two have one name.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    if not candidates or len(by_name) < len(candidates):
        raise ValueError(f"candidates need names of their own, got {[c.name for c in candidates]}")
    verdicts = {name: judge(one, champion, config) for name, one in by_name.items()}
    passed = [by_name[name] for name, verdict in verdicts.items() if verdict.passed]
    best = max(passed, key=lambda one: (one.figures.accuracy, -one.size_mebibytes), default=None)
    return Judgement(
        chosen=best.name if best else None,
        evaluations=by_name,
        champion=champion,
        verdicts=verdicts,
    )


def _against(candidate: Evaluation, champion: Evaluation, config: GateConfig) -> list[Gate]:
    if (candidate.data_digest, candidate.labels) != (champion.data_digest, champion.labels):
        raise ValueError(
            f"{candidate.name} and {champion.name} did not answer the same pictures: they cannot "
            "be compared"
        )
    loss = champion.figures.accuracy - candidate.figures.accuracy
    p_value = _mcnemar(candidate, champion)
    lost = (
        f"{max(loss, 0):.3f} of accuracy lost against the champion's "
        f"{champion.figures.accuracy:.3f}"
    )
    return [
        Gate(
            name="accuracy lost against the champion",
            figure=loss,
            bound=config.max_accuracy_loss,
            passed=loss <= config.max_accuracy_loss,
            reason=f"{lost}, at most {config.max_accuracy_loss:g} allowed",
        ),
        Gate(
            name="chance of such losses, if not worse",
            figure=p_value,
            bound=config.significance,
            passed=p_value >= config.significance,
            reason=f"losses against the champion have p = {p_value:.3g} if the candidate is not "
            f"worse, at least {config.significance:g} allowed",
        ),
    ]


def _mcnemar(candidate: Evaluation, champion: Evaluation) -> float:
    """Exact one-sided McNemar (1947): of the pictures that only one finds, who finds how many."""
    answers = list(zip(candidate.labels, candidate.predicted, champion.predicted, strict=True))
    losses = sum(theirs == label != ours for label, ours, theirs in answers)
    gains = sum(ours == label != theirs for label, ours, theirs in answers)
    if losses + gains == 0:
        return 1.0
    return float(binomtest(losses, losses + gains, 0.5, alternative="greater").pvalue)


# Both are written so that NaN is refused.
def _at_least(name: str, figure: float, bound: float) -> Gate:
    return Gate(
        name=name,
        figure=figure,
        bound=bound,
        passed=figure >= bound,
        reason=f"{name} is {figure:.3f}, at least {bound:g} asked for",
    )


def _at_most(name: str, figure: float, bound: float) -> Gate:
    return Gate(
        name=name,
        figure=figure,
        bound=bound,
        passed=figure <= bound,
        reason=f"{name} is {figure:.3f}, at most {bound:g} allowed",
    )
