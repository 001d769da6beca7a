"""Gates of a candidate against the champion, on the same pictures. Pure.

Two ways to look at a loss stand side by side. A loss that is **shown** refuses (exact McNemar,
bootstrap, slice by slice): the candidate is worse, and chance does not explain it. A loss that is
**large** refuses even where few pictures show nothing. Whether the pictures suffice to show that
nothing is lost is said as well, and blocks where settings ask for it.
"""

from collections.abc import Iterator

from weathervane.config import GateConfig
from weathervane.evaluation.evaluation import Evaluation
from weathervane.evaluation.gates import Gate, at_least, at_most
from weathervane.evaluation.pairs import chance_of_losses, macro_f1_loss


def gates(candidate: Evaluation, champion: Evaluation, config: GateConfig) -> Iterator[Gate]:
    """Compare the two.

    Raises:
        ValueError: when they did not answer the same pictures.
    """
    if (candidate.data_digest, candidate.labels) != (champion.data_digest, champion.labels):
        raise ValueError(
            f"{candidate.name} and {champion.name} did not answer the same pictures: they cannot "
            "be compared"
        )
    yield from _accuracy(candidate, champion, config)
    yield from _macro_f1(candidate, champion, config)
    yield from _slices(candidate, champion, config)
    ratio = candidate.latency_p50_seconds / champion.latency_p50_seconds
    yield at_most(
        "latency_ratio",
        "latency against the champion's",
        ratio,
        config.max_latency_ratio,
        because=f"latency p50 is {ratio:.2f} times the champion's",
    )


def _accuracy(candidate: Evaluation, champion: Evaluation, config: GateConfig) -> Iterator[Gate]:
    loss = champion.figures.accuracy - candidate.figures.accuracy
    yield at_most(
        "accuracy_loss",
        "accuracy lost against the champion",
        loss,
        config.max_accuracy_loss,
        because=f"{max(loss, 0):.3f} of accuracy lost against the champion's "
        f"{champion.figures.accuracy:.3f}",
    )
    p_value = chance_of_losses(candidate.labels, candidate.predicted, champion.predicted)
    yield at_least(
        "losses",
        "chance of such losses, if not worse",
        p_value,
        config.significance,
        because=f"losses against the champion have p = {p_value:.3g} if the candidate is not worse",
    )


def _macro_f1(candidate: Evaluation, champion: Evaluation, config: GateConfig) -> Iterator[Gate]:
    lost = macro_f1_loss(
        candidate.labels,
        candidate.predicted,
        champion.predicted,
        classes=len(candidate.figures.classes),
        significance=config.significance,
    )
    between = (
        f"{lost.loss:.3f} of macro F1 lost against the champion's {champion.figures.macro_f1:.3f}, "
        f"with {100 - 200 * config.significance:g} % confidence between {lost.low:.3f} and "
        f"{lost.high:.3f}"
    )
    bound = config.max_macro_f1_loss
    yield at_most(
        "macro_f1_loss", "macro F1 lost against the champion", lost.loss, bound, because=between
    )
    yield at_most(
        "macro_f1_worse",
        "macro F1 lost against the champion, at the least",
        lost.low,
        0.0,
        because=f"{between}: at the least {lost.low:.3f}",
    )
    yield at_most(
        "macro_f1_shown",
        "macro F1 lost against the champion, at the most",
        lost.high,
        bound,
        because=f"{between}: at the most {lost.high:.3f}",
    )


def _slices(candidate: Evaluation, champion: Evaluation, config: GateConfig) -> Iterator[Gate]:
    """The slice whose losses chance explains least, by McNemar's test on its pictures.

    Corrected for as many slices as there are (Bonferroni): of many, one looks bad by chance.
    """
    judged = {
        name: places
        for name, places in candidate.slices.items()
        if len(places) >= config.min_slice_pictures
    }
    if not judged:
        return
    p_values = {
        name: chance_of_losses(
            *(
                [answers[place] for place in places]
                for answers in (candidate.labels, candidate.predicted, champion.predicted)
            )
        )
        for name, places in judged.items()
    }
    worst = min(p_values, key=p_values.__getitem__)
    p_value = min(1.0, p_values[worst] * len(judged))
    ours = candidate.accuracy_of(worst)
    theirs = sum(candidate.labels[one] == champion.predicted[one] for one in judged[worst])
    yield at_least(
        "slice_losses",
        f"chance of such losses on the slice {worst}, if not worse",
        p_value,
        config.significance,
        because=f"on the slice {worst} ({len(judged[worst])} pictures) accuracy is {ours:.3f}, the "
        f"champion's {theirs / len(judged[worst]):.3f}, which has p = {p_value:.3g} if the "
        f"candidate is worse on none of {len(judged)} slices",
    )
