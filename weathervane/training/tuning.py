"""The settings of a training that do best on the validation pictures, found by Optuna.

In: a dataset, settings to begin with, a budget. Out: the best settings, and a study that any number
of processes share by its name and its database. A backbone's features are computed once, and each
trial trains a head on them, in a fraction of a second; a network without weights is trained whole.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from weathervane.config import TrainConfig
from weathervane.data.prepare import Dataset
from weathervane.errors import UsageError
from weathervane.training.architectures import ARCHITECTURES
from weathervane.training.cache import Cache
from weathervane.training.head import train_head
from weathervane.training.learn import frozen_features, learn
from weathervane.training.studies import open_study
from weathervane.training.train import describe_weights

if TYPE_CHECKING:
    import optuna

Watch = Callable[[int, float], None]
# What a trial is told, and gives: settings and a watch to the least validation loss.
Objective = Callable[[TrainConfig, Watch], float]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When to end: after so many trials of all processes together, or so long in this one."""

    trials: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.trials is None and self.minutes is None:
            raise UsageError("tuning has no end: give a number of trials, or of minutes")
        for name in ("trials", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} must be above 0, got {value}")


def tune(
    dataset: Dataset,
    config: TrainConfig,
    budget: Budget,
    *,
    study: str,
    storage: str,
    cache: Cache = Cache(None),  # noqa: B008  a frozen value
    progress: Callable[[str], None] = lambda line: None,
) -> "tuple[TrainConfig, optuna.Study]":
    """Take part in a study until the budget is used up.

    The first trial is ``config`` itself. Trials that fall behind the median of the others at the
    same epoch are given up.

    Args:
        dataset: its splits train and validation are used.
        config: what is not tuned, and where tuning begins.
        budget: when to end.
        study: its name; a study that is there already is gone on with.
        storage: the address of its database, such as ``sqlite:///study.db``.
        cache: for the features of a backbone.
        progress: told one line a trial.

    Returns:
        The best settings of all processes, and the study.

    Raises:
        UsageError: when the study is about other data or another network, or its database cannot
            be used.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = open_study(study, storage, start=_tuned(config), about=_about(dataset, config))
    objective = _objective(dataset, config, cache, progress)

    def trial(one: "optuna.Trial") -> float:
        # By its number, or processes that begin together would try the same.
        found.sampler = optuna.samplers.TPESampler(seed=config.seed + one.number)

        def watch(epoch: int, loss: float) -> None:
            one.report(loss, epoch)
            if one.should_prune():
                raise optuna.TrialPruned

        return objective(suggest(one, config), watch)

    def said(within: "optuna.Study", one: "optuna.trial.FrozenTrial") -> None:
        ended = f"{one.value:.3f}" if one.value is not None else one.state.name.lower()
        best = f", best {within.best_value:.3f}" if _complete(within) else ""
        progress(f"trial {one.number}: validation loss {ended}{best}")

    callbacks: list[Any] = [said]
    if budget.trials is not None:
        states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
        callbacks.append(optuna.study.MaxTrialsCallback(budget.trials, states=states))
        # Somebody else may have done it all.
        if len(found.get_trials(deepcopy=False, states=states)) >= budget.trials:
            return replace(config, **found.best_params), found
    seconds = None if budget.minutes is None else budget.minutes * 60
    found.optimize(trial, timeout=seconds, callbacks=callbacks)
    if not _complete(found):
        raise UsageError("no trial ended within the budget: give it more minutes")
    return replace(config, **found.best_params), found


def suggest(trial: "optuna.Trial", config: TrainConfig) -> TrainConfig:
    """The settings of one trial: ``config``, but for what is tuned."""
    chosen: dict[str, Any] = {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
        "balance": trial.suggest_categorical("balance", ["weights", "sampling", "none"]),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.2),
    }
    if config.weights:
        chosen["head_penalty"] = trial.suggest_float("head_penalty", 1e-3, 1.0, log=True)
    return replace(config, **chosen)


def _tuned(config: TrainConfig) -> dict[str, Any]:
    names = ["learning_rate", "batch_size", "balance", "label_smoothing"]
    return {name: getattr(config, name) for name in names + ["head_penalty"] * bool(config.weights)}


def _objective(
    dataset: Dataset, config: TrainConfig, cache: Cache, progress: Callable[[str], None]
) -> Objective:
    if not config.weights:

        def whole(settings: TrainConfig, watch: Watch) -> float:
            learned = learn(
                dataset, settings, cache=Cache(None), training="", progress=_silent, watch=watch
            )
            return min(learned.curves.validation_loss)

        return whole
    network = ARCHITECTURES[config.architecture].features(dataset.size, config.weights)
    training, validation = frozen_features(network, dataset, cache=cache, progress=progress)

    def head(settings: TrainConfig, watch: Watch) -> float:
        _, curves = train_head(
            training, validation, classes=len(dataset.classes), config=settings, watch=watch
        )
        return min(curves.validation_loss)

    return head


def _about(dataset: Dataset, config: TrainConfig) -> dict[str, Any]:
    """What makes trials comparable: the data, and all settings that are not tuned."""
    settings = asdict(config)
    for name in (*_tuned(config), "head_penalty", "seed"):
        settings.pop(name, None)
    settings["weights"] = describe_weights(config.weights)
    return {"data": dataset.data_digest, "size": dataset.size, **settings}


def _complete(study: "optuna.Study") -> bool:
    import optuna

    return bool(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)))


def _silent(line: str) -> None:
    """An epoch of a trial is nobody's news."""
