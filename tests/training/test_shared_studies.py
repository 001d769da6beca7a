"""Processes that share one study, in SQLite and in PostgreSQL."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.training.shared_studies import START, Worker, postgresql

TRIALS = 12


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/studies.db"
    else:
        with postgresql() as url:
            yield url


def test_processes_share_the_trials_of_a_study_and_outlive_one_that_is_killed(storage: str):
    workers = [Worker(storage, "shared", TRIALS) for _ in range(3)]
    assert [worker.says() for worker in workers] == ["ready"] * 3
    for worker in workers:  # all of them make the study at the same time
        worker.go_on()
    assert [worker.says() for worker in workers] == ["trial"] * 3
    killed, *others = workers

    killed.kill()
    for worker in others:
        worker.go_on()
    ran = [worker.says() for worker in others]

    database = optuna.storages.RDBStorage(storage)
    study = optuna.load_study(study_name="shared", storage=database)
    states = Counter(trial.state for trial in study.trials)
    ended = states[TrialState.COMPLETE] + states[TrialState.PRUNED]
    assert min(ran) > 0
    assert sum(ran) == ended
    # Whoever is in a trial when the last one ends finishes it.
    assert TRIALS <= ended < TRIALS + len(others)
    assert states[TrialState.RUNNING] == 1
    tried = [tuple(trial.params.items()) for trial in study.trials]
    assert len(set(tried)) == len(tried)
    assert START.learning_rate in {trial.params["learning_rate"] for trial in study.trials}
    database.remove_session()
    database.engine.dispose()

    later = Worker(storage, "shared", ended + 2)
    for said in ("ready", "trial"):
        assert later.says() == said
        later.go_on()
    assert later.says() == 2
