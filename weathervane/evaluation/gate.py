"""The gate: from figures to a verdict. Pure; every gate gives its figure, its bound and why.

A candidate must reach absolute bounds, be what was trained, answer when served as it did when
trained, and not be worse than the champion on the same pictures, in whole or on a slice of them. A
candidate that is refused is a result, not an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from weathervane.config import GateConfig
from weathervane.evaluation import fairness, rivalry
from weathervane.evaluation.evaluation import Evaluation
from weathervane.evaluation.gates import Gate, at_least, at_most


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All gates of one candidate."""

    passed: bool
    gates: tuple[Gate, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the gates that refused said; of a candidate that passed, what all of them said."""
        return tuple(gate.reason for gate in self.gates if self.passed or gate.refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the gates said that fell short without blocking."""
        return tuple(gate.reason for gate in self.gates if not gate.passed and not gate.blocks)


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
    gates = [*_absolute(candidate, config), *fairness.gates(candidate, config)]
    if champion is not None:
        gates += rivalry.gates(candidate, champion, config)
    gates = [gate.blocking(gate.key not in config.advisory) for gate in gates]
    return Verdict(passed=not any(gate.refused for gate in gates), gates=tuple(gates))


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


def _absolute(candidate: Evaluation, config: GateConfig) -> Iterator[Gate]:
    figures = candidate.figures
    yield at_most("answers", "share of pictures without an answer", figures.unanswered, 0.0)
    yield at_least("accuracy", "accuracy", figures.accuracy, config.min_accuracy)
    yield at_least("macro_f1", "macro F1", figures.macro_f1, config.min_macro_f1)
    worst, recall = min(
        ((name, one.recall) for name, one in figures.classes.items() if one.support),
        key=lambda pair: pair[1],
    )
    name = f"recall of the worst class, {worst}"
    yield at_least("class_recall", name, recall, config.min_class_recall)
    slices = {
        name: candidate.accuracy_of(name)
        for name, places in candidate.slices.items()
        if len(places) >= config.min_slice_pictures
    }
    if slices:
        name = min(slices, key=slices.__getitem__)
        yield at_least(
            "slice_accuracy",
            f"accuracy of the worst slice, {name}",
            slices[name],
            config.min_slice_accuracy,
        )
    yield at_most(
        "calibration",
        "calibration error beyond chance",
        figures.ece - figures.ece_by_chance,
        config.max_ece,
        because=f"calibration error is {figures.ece:.3f}, of a calibrated model "
        f"{figures.ece_by_chance:.3f} on as many pictures",
    )
    yield at_most(
        "latency",
        "latency p95, s",
        candidate.latency_p95_seconds,
        config.max_latency_p95_seconds,
    )
    yield at_most("size", "size, MiB", candidate.size_mebibytes, config.max_package_mebibytes)
    if candidate.robustness:
        disturbed = {name: share for name, share in candidate.robustness.items() if name != "none"}
        name = min(disturbed, key=disturbed.__getitem__)
        yield at_most(
            "robustness",
            f"accuracy lost to the worst disturbance, {name}",
            candidate.robustness["none"] - disturbed[name],
            config.max_robustness_loss,
        )
