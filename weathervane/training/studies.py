"""A study in a database: any number of processes share it by its name.

In: the address of a database. Out: the study, which one of all processes made.
"""

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from weathervane.errors import UsageError

if TYPE_CHECKING:
    import optuna

# The attribute of a study that tells what makes its trials comparable.
ABOUT = "about"
# Before a database is opened again that others may open for the first time too.
_PAUSES_SECONDS = (0.2, 1.0)


def open_study(
    name: str, storage: str, *, start: dict[str, Any], about: dict[str, Any]
) -> "optuna.Study":
    """The study called ``name``, new or as it is.

    Args:
        name: of the study.
        storage: the address of its database, such as ``sqlite:///study.db``.
        start: the settings that a new study tries first.
        about: what makes its trials comparable.

    Raises:
        UsageError: when the study is about something else, or its database cannot be used.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        database = _database(storage)
        try:
            # One of all processes makes it: the database sees to that.
            found = optuna.create_study(storage=database, study_name=name, direction="minimize")
            found.enqueue_trial(start)
        except optuna.exceptions.DuplicatedStudyError:
            found = optuna.load_study(storage=database, study_name=name)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        address = storage.replace(f":{urlsplit(storage).password}@", ":***@")
        reason = str(error).partition("\n")[0]
        raise UsageError(f"the studies at {address} cannot be used: {reason}") from error
    _require_same(found, about)
    found.pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    return found


def _database(storage: str) -> "optuna.storages.BaseStorage":
    """The database, with its tables.

    Of processes that find none and make them, all but one fail: they find them the next time.
    """
    import optuna
    from sqlalchemy.exc import DatabaseError

    for pause in _PAUSES_SECONDS:
        try:
            return optuna.storages.get_storage(storage)
        except DatabaseError:
            time.sleep(pause)
    return optuna.storages.get_storage(storage)


def _require_same(study: "optuna.Study", about: dict[str, Any]) -> None:
    """Say what a new study is about, in one write; refuse one that is about something else."""
    told = study.user_attrs.get(ABOUT)
    if told is None:
        study.set_user_attr(ABOUT, about)
    elif told != about:
        raise UsageError(
            f"the study {study.study_name} is about {_words(told)}, not {_words(about)}: name "
            "another one"
        )


def _words(about: "dict[str, Any]") -> str:
    return f"{about.get('architecture')} at {about.get('size')} pixels on {about.get('data')!s:.12}"
