"""Studies on a real database, with trials that cost nothing."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from weathervane.config import TrainConfig
from weathervane.data.prepare import Dataset
from weathervane.errors import UsageError
from weathervane.training import commands, tuning
from weathervane.training.study import write_study
from weathervane.training.tuning import Budget, tune

START = TrainConfig(architecture="mobilenetv2", weights="imagenet", learning_rate=1e-3)
DATASET = Dataset(
    folder=Path(), classes=("a", "b"), size=96, preprocessing="1", data_digest="d" * 64, counts={}
)


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    """The settings of each trial; the loss is least at a learning rate of 0.01."""
    asked: list[TrainConfig] = []

    def objective(settings: TrainConfig, watch: tuning.Watch) -> float:
        asked.append(settings)
        loss = abs(math.log10(settings.learning_rate) + 2) + settings.label_smoothing
        for epoch in range(1, 5):
            watch(epoch, loss + 1 / epoch)
        return loss

    monkeypatch.setattr(tuning, "_objective", lambda *_: objective)
    return asked


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('studies')}/studies.db"


def test_a_study_begins_with_what_is_there_finds_better_and_is_gone_on_with(
    storage: str, tried: list[TrainConfig], tmp_path: Path
):
    lines: list[str] = []
    best, study = tune(
        DATASET, START, Budget(trials=7), study="one", storage=storage, progress=lines.append
    )

    assert tried[0] == START
    assert len(tried) == len(lines) == 7
    assert abs(math.log10(best.learning_rate) + 2) < 1
    assert replace(best, **{name: getattr(START, name) for name in study.best_params}) == START

    # Whoever comes later takes part in the rest.
    tune(DATASET, START, Budget(trials=8), study="one", storage=storage)
    tune(DATASET, START, Budget(trials=8), study="one", storage=storage)
    assert len(tried) == 8

    write_study(study, tmp_path / "study.html")
    page = (tmp_path / "study.html").read_text()
    assert page.count("<figure>") == len(study.best_params) == 5
    assert f"of trial {study.best_trial.number}" in page


def test_trials_that_fall_behind_are_given_up(storage: str):
    import optuna

    _, study = tune(DATASET, START, Budget(trials=10), study="pruned", storage=storage)

    given_up = [trial for trial in study.trials if trial.state is optuna.trial.TrialState.PRUNED]
    assert given_up
    assert all(len(trial.intermediate_values) < 4 for trial in given_up)


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": replace(DATASET, data_digest="e" * 64)},
        {"dataset": replace(DATASET, size=64)},
        {"config": replace(START, architecture="efficientnetb0")},
        {"config": replace(START, epochs=3)},
    ],
)
def test_a_study_is_about_one_dataset_and_one_network(storage: str, other):
    tune(DATASET, START, Budget(trials=1), study="about", storage=storage)

    with pytest.raises(UsageError, match=r"study about is about mobilenetv2 at 96 pixels"):
        tune(
            **{"dataset": DATASET, "config": START} | other,
            budget=Budget(trials=2),
            study="about",
            storage=storage,
        )


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        ("sqlite:////absent/folder/studies.db", "unable to open database"),
        ("nonsense", "nonsense cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(storage: str, says: str):
    with pytest.raises(UsageError, match=says):
        tune(DATASET, START, Budget(trials=1), study="one", storage=storage)


@pytest.mark.parametrize("wrong", [{}, {"trials": 0}, {"minutes": -1.0}])
def test_a_budget_has_an_end(wrong):
    with pytest.raises(UsageError, match=r"no end|above 0"):
        Budget(**wrong)


def test_the_command_is_refused_before_it_reads_a_picture(tmp_path: Path):
    with pytest.raises(UsageError, match="no end"):
        commands.tune(str(tmp_path / "absent"), study="one")
