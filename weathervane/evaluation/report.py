"""One page that compares all candidates with each other and with the champion.

In: a judgement, and the record of each training. Out: HTML that needs nothing beside it.
"""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from weathervane.data.files import write_whole
from weathervane.evaluation import charts
from weathervane.evaluation.evaluation import Evaluation
from weathervane.evaluation.gate import Judgement
from weathervane.training.record import TrainingRecord


def write_comparison(
    judgement: Judgement, trainings: Mapping[str, TrainingRecord], path: Path
) -> None:
    """Write the page. ``trainings`` are by the name of the candidate."""
    champion = {"champion": judgement.champion} if judgement.champion else {}
    models = {**judgement.evaluations, **champion}
    colour = charts.colours(list(judgement.evaluations))
    page = (
        templates()
        .get_template("comparison.html.j2")
        .render(
            judgement=judgement,
            models=models,
            trainings=trainings,
            colour=colour,
            roc=charts.roc(
                {name: one.figures.roc for name, one in models.items() if one.figures.roc}, colour
            ),
            slices=charts.dots(by_slice(models), colour),
            robustness=charts.dots(by_disturbance(models), colour),
            recalls=charts.dots(
                _by_class(models),
                colour,
                {
                    label: {
                        name: one.figures.classes[label].intervals["recall"]
                        for name, one in models.items()
                        if one.figures.classes[label].intervals
                    }
                    for label in next(iter(models.values())).figures.classes
                },
            ),
            reliability={
                name: charts.reliability(one.figures.reliability, colour[name])
                for name, one in judgement.evaluations.items()
            },
            curves={
                name: charts.training(record.curves, colour[name])
                for name, record in trainings.items()
            },
        )
    )
    write_whole(path, page.encode())


def templates() -> Environment:
    """The templates of this room; what they are given is text unless it says otherwise."""
    return Environment(
        loader=PackageLoader("weathervane.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def by_slice(models: Mapping[str, Evaluation]) -> dict[str, dict[str, float]]:
    """Accuracy by slice and model, with the number of pictures in the slice's name."""
    some = next(iter(models.values()))
    return {
        f"{part} ({len(places)})": {
            name: one.accuracy_of(part) for name, one in models.items() if part in one.slices
        }
        for part, places in some.slices.items()
    }


def by_disturbance(models: Mapping[str, Evaluation]) -> dict[str, dict[str, float]]:
    """Accuracy by disturbance and model."""
    names = dict.fromkeys(name for one in models.values() for name in one.robustness)
    return {
        disturbance: {
            name: one.robustness[disturbance]
            for name, one in models.items()
            if disturbance in one.robustness
        }
        for disturbance in names
    }


def _by_class(models: Mapping[str, Evaluation]) -> dict[str, dict[str, float]]:
    some = next(iter(models.values()))
    return {
        label: {name: one.figures.classes[label].recall for name, one in models.items()}
        for label in some.figures.classes
    }
