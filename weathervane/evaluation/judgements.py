"""Judgements on disk: JSON out and in, whole or not at all."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weathervane.data.files import write_whole
from weathervane.errors import PackageError
from weathervane.evaluation.gate import Judgement

_JUDGEMENT = TypeAdapter(Judgement)


def write_judgement(judgement: Judgement, path: Path) -> None:
    """Write a judgement as JSON."""
    write_whole(path, _JUDGEMENT.dump_json(judgement, indent=1))


def read_judgement(path: Path) -> Judgement:
    """Read what `write_judgement` wrote.

    Raises:
        PackageError: when the file does not hold a judgement.
    """
    try:
        return _JUDGEMENT.validate_json(path.read_bytes())
    except ValidationError as error:
        raise PackageError(f"{path} is no judgement of candidates: {error}") from error
