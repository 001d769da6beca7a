"""Gates about a candidate's origin: is it what was trained, and was its test fair? Pure."""

from collections.abc import Iterator

from weathervane.config import GateConfig
from weathervane.evaluation.evaluation import Evaluation, Origin, Parity
from weathervane.evaluation.gates import Gate, at_least, at_most


def gates(candidate: Evaluation, config: GateConfig) -> Iterator[Gate]:
    """What is known of parity and origin; a figure that nobody took has no gate."""
    if candidate.parity:
        yield from _parity(candidate.parity, config)
    if candidate.origin:
        yield from _origin(candidate.origin, candidate, config)


def _parity(parity: Parity, config: GateConfig) -> Iterator[Gate]:
    apart = parity.largest_difference
    yield at_most(
        "parity",
        "largest difference between the served engine and the SavedModel",
        apart,
        config.max_parity_difference,
        because=f"the served engine's probabilities are up to {apart:.2g} from the SavedModel's",
    )
    yield at_most(
        "parity_labels",
        "pictures that the served engine labels otherwise than the SavedModel",
        parity.labels_differing,
        0,
        because=f"the served engine labels {parity.labels_differing} test pictures otherwise than "
        "the SavedModel",
    )


def _origin(origin: Origin, candidate: Evaluation, config: GateConfig) -> Iterator[Gate]:
    yield at_most(
        "as_trained",
        "accuracy lost between training and export",
        origin.trained_accuracy - origin.exported_accuracy,
        config.max_export_loss,
        because=f"the exported model reaches {origin.exported_accuracy:.3f} on the validation "
        f"pictures, the training recorded {origin.trained_accuracy:.3f}",
    )
    yield at_most(
        "leaked",
        "test pictures among the training pictures",
        origin.leaked,
        0,
        because=f"{origin.leaked} test pictures are among the training pictures",
    )
    if origin.unseen.pictures:
        p_value = _chance_of_memory(origin, candidate)
        yield at_least(
            "memory",
            "chance of doing so much better on test than on probe pictures",
            p_value,
            config.leak_significance,
            because=f"accuracy is {candidate.figures.accuracy:.3f} on the test pictures and "
            f"{origin.unseen.accuracy:.3f} on the probe pictures, which by chance has "
            f"p = {p_value:.3g}",
        )


def _chance_of_memory(origin: Origin, candidate: Evaluation) -> float:
    """Fisher's exact test (1922), one-sided: that test pictures are found no more than probes.

    A model that has seen its test pictures finds more of them than of pictures that it has not.
    """
    from scipy.stats import fisher_exact

    pictures = candidate.figures.pictures
    right = round(candidate.figures.accuracy * pictures)
    unseen = origin.unseen
    table = [[right, pictures - right], [unseen.right, unseen.pictures - unseen.right]]
    return float(fisher_exact(table, alternative="greater").pvalue)
