"""A study in one page: its trials in turn, what each setting did, the best of them.

In: a study of Optuna's with a trial that ended. Out: HTML that needs nothing beside it.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from weathervane.data.files import write_whole
from weathervane.training.studies import ABOUT

if TYPE_CHECKING:
    import optuna

_WIDTH, _SMALL, _HEIGHT = 640.0, 240.0, 140.0
_LEADERS = 10
# Losses above this quantile share the upper edge: one hopeless trial would flatten all others.
_SHOWN = 0.9


def write_study(study: "optuna.Study", path: Path) -> None:
    """Write the page."""
    import optuna

    ended = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    losses = [trial.values[0] for trial in ended]
    low, high = min(losses), sorted(losses)[int(_SHOWN * (len(losses) - 1))]

    def height(loss: float) -> float:
        return round(_HEIGHT * (1 - _between(loss, low, high)), 1)

    def right(number: int) -> float:
        return round(_WIDTH * (number + 0.5) / len(ended), 1)

    importances = _importances(study)
    settings = [
        {
            "name": name,
            "importance": importances.get(name),
            "best": shown(study.best_params[name]),
            **_by_setting(ended, name, study.best_trial.number, height),
        }
        for name in study.best_params
    ]
    environment = Environment(
        loader=PackageLoader("weathervane.training", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("study.html.j2").render(
        name=study.study_name,
        about=", ".join(f"{name} {value}" for name, value in study.user_attrs[ABOUT].items()),
        counts=f"{len(study.trials)} trials, of which {len(ended)} ended and others were given up",
        best=study.best_trial,
        history=[(right(number), height(loss)) for number, loss in enumerate(losses)],
        best_so_far=" ".join(
            f"{right(number)},{height(loss)}" for number, loss in enumerate(accumulate(losses, min))
        ),
        low=f"{low:.3f}",
        high=f"{high:.3f}",
        settings=settings,
        leaders=sorted(ended, key=lambda trial: trial.values[0])[:_LEADERS],
        shown=shown,
        width=_WIDTH,
        small=_SMALL,
        height=_HEIGHT,
    )
    write_whole(path, page.encode())


def shown(value: Any) -> str:  # noqa: ANN401  whatever a setting can be
    """A setting for people."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _by_setting(
    trials: "Sequence[optuna.trial.FrozenTrial]",
    name: str,
    best: int,
    height: Callable[[float], float],
) -> dict[str, Any]:
    """Dots of one setting: numbers to the right as they are spread, choices side by side."""
    values = [trial.params[name] for trial in trials]
    if isinstance(values[0], float):
        is_log = bool(getattr(trials[0].distributions[name], "log", False))
        places = [math.log(value) if is_log else value for value in values]
        ends = [min(values), max(values)]
    else:
        choices = list(getattr(trials[0].distributions[name], "choices", sorted(set(values))))
        places = [float(choices.index(value)) for value in values]
        ends = [choices[0], choices[-1]]
    low, high = min(places), max(places)
    return {
        "left": shown(ends[0]),
        "right": shown(ends[1]),
        "dots": [
            (
                round(_SMALL * (0.05 + 0.9 * _between(place, low, high)), 1),
                height(trial.values[0]),
                trial.number == best,
            )
            for trial, place in zip(trials, places, strict=True)
        ],
    }


def _between(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5


def _importances(study: "optuna.Study") -> dict[str, float]:
    """How much each setting decides, by PED-ANOVA (arXiv:2304.10255); none for few trials."""
    import optuna

    evaluator = optuna.importance.PedAnovaImportanceEvaluator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental
        try:
            return dict(optuna.importance.get_param_importances(study, evaluator=evaluator()))
        except (ValueError, RuntimeError):
            return {}
