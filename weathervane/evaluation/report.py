"""One page that compares all candidates with each other and with the champion.

In: a judgement, and the record of each training. Out: HTML that needs nothing beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from weathervane.data.files import write_whole
from weathervane.evaluation.gate import Judgement
from weathervane.evaluation.metrics import Bin
from weathervane.training.record import Curves, TrainingRecord

_WIDTH, _HEIGHT = 300.0, 110.0


def write_comparison(
    judgement: Judgement, trainings: Mapping[str, TrainingRecord], path: Path
) -> None:
    """Write the page. ``trainings`` are by the name of the candidate."""
    environment = Environment(
        loader=PackageLoader("weathervane.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("comparison.html.j2").render(
        judgement=judgement,
        trainings=trainings,
        curves={name: _curves(record.curves) for name, record in trainings.items()},
        reliability={
            name: _dots(one.figures.reliability) for name, one in judgement.evaluations.items()
        },
        width=_WIDTH,
        height=_HEIGHT,
    )
    write_whole(path, page.encode())


def _curves(curves: Curves) -> dict[str, str]:
    """Points of the polylines, accuracies from 0 at the bottom to 1 at the top."""
    return {
        "training": _points(curves.accuracy),
        "validation": _points(curves.validation_accuracy),
    }


def _dots(bins: Sequence[Bin]) -> list[tuple[str, str]]:
    """Centres of dots in a square: confidence to the right, accuracy upwards, both from 0 to 1."""
    return [
        (f"{one.confidence * _HEIGHT:.1f}", f"{_HEIGHT * (1 - one.accuracy):.1f}") for one in bins
    ]


def _points(values: tuple[float, ...]) -> str:
    step = _WIDTH / max(1, len(values) - 1)
    return " ".join(
        f"{number * step:.1f},{_HEIGHT * (1 - min(max(value, 0.0), 1.0)):.1f}"
        for number, value in enumerate(values)
    )
