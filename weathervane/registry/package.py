"""The package: an immutable folder that serves one model, named by the sha256 of its content.

In: a folder, and the digest that it must have. Out: a `Package` whose every file is as listed, or a
`PackageError` that names the file. Needs no TensorFlow: the predictor lives on this module.

    <digest>/
      saved_model.pb, variables/, …      a SavedModel that any TensorFlow tool can load
      assets.extra/weathervane/
        package.json                     what serving needs, and the sha256 of every other file
        model.tflite                     the same model for LiteRT
        golden/                          pictures with the answers that the SavedModel gave
          golden.json
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from weathervane.errors import PackageError

EXTRAS = "assets.extra/weathervane"
DESCRIPTION = f"{EXTRAS}/package.json"
LITERT_MODEL = f"{EXTRAS}/model.tflite"
GOLDEN = f"{EXTRAS}/golden"
GOLDEN_LIST = f"{GOLDEN}/golden.json"
# How far an engine's probabilities may be from the SavedModel's.
GOLDEN_TOLERANCE = 1e-3
# A description is a few kilobytes; whoever sends more of it wants something else.
_MAX_DESCRIPTION_BYTES = 1024 * 1024

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class Description:
    """What ``package.json`` holds: what serving needs, and nothing about when or where."""

    format: Literal["weathervane-package-1"] = "weathervane-package-1"
    model: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    # In the order of the model's outputs.
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    size: Annotated[int, Field(ge=1, le=4096)]  # the input is uint8 [n, size, size, 3], RGB
    preprocessing: str
    # Applied to the logarithm of the probabilities; 1 leaves them as they are.
    temperature: Annotated[float, Field(gt=0)] = 1.0
    # Below this confidence a picture is unlike those of training; None: not known.
    ood_threshold: float | None = None
    data_digest: str
    code_version: str
    # On the test pictures, by the names that they have in MLflow; packages of before have none.
    metrics: dict[str, float] = field(default_factory=dict)
    # Every other file of the package, by its path with slashes.
    files: dict[str, _Sha256] = field(default_factory=dict)

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A picture and the probabilities that the SavedModel gave for it."""

    picture: bytes
    format: str  # "JPEG", "PNG" or "WEBP"
    probabilities: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Package(Description):
    """A package on this machine, found whole when it was read."""

    folder: Path
    digest: str  # sha256, hex

    @property
    def litert_model(self) -> Path | None:
        """The model for LiteRT; None when the package brings the SavedModel only."""
        return self.folder / LITERT_MODEL if LITERT_MODEL in self.files else None

    def golden(self) -> tuple[Golden, ...]:
        """The pictures that an engine must answer as the SavedModel did.

        Raises:
            PackageError: when there are none, or their list is not as we write it.
        """
        try:
            listed = json.loads((self.folder / GOLDEN_LIST).read_bytes())
            golden = tuple(
                Golden(
                    picture=self._listed(f"{GOLDEN}/{entry['file']}").read_bytes(),
                    format=str(entry["format"]),
                    probabilities=tuple(map(float, entry["probabilities"])),
                )
                for entry in listed
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise PackageError(f"{self.folder} has no readable golden pictures: {error}") from error
        if not golden or any(len(one.probabilities) != len(self.labels) for one in golden):
            raise PackageError(
                f"{self.folder} must have golden pictures with {len(self.labels)} probabilities "
                "each; package the model again"
            )
        return golden

    def _listed(self, path: str) -> Path:
        if path not in self.files:
            raise ValueError(f"{path} is not of this package")
        return self.folder / path

    def check_golden(self, answer: Callable[[bytes], Sequence[float] | NDArray[Any]]) -> None:
        """Compare an engine with the SavedModel; ``answer`` maps a picture to probabilities.

        Raises:
            PackageError: when a label differs, or a probability by more than `GOLDEN_TOLERANCE`.
        """
        for number, golden in enumerate(self.golden(), start=1):
            got = np.asarray(answer(golden.picture), dtype=np.float64)
            wanted = np.asarray(golden.probabilities)
            if got.shape != wanted.shape:
                raise PackageError(
                    f"golden picture {number} ({golden.format}): {got.size} probabilities for "
                    f"{wanted.size} classes"
                )
            apart = float(np.abs(got - wanted).max())
            # Written so that NaN fails.
            if not apart <= GOLDEN_TOLERANCE or got.argmax() != wanted.argmax():
                raise PackageError(
                    f"golden picture {number} ({golden.format}): the engine says "
                    f"{self.labels[int(got.argmax())]}, the SavedModel said "
                    f"{self.labels[int(wanted.argmax())]}; probabilities are up to {apart:.2g} "
                    f"apart, allowed are {GOLDEN_TOLERANCE:g}: this engine must not serve it"
                )


def canonical(values: Mapping[str, Any]) -> bytes:
    """The one way to write JSON that is digested: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_of(package_json: Mapping[str, Any]) -> str:
    """The digest of the package that ``package_json`` describes: 64 hex digits."""
    return hashlib.sha256(canonical(package_json)).hexdigest()


def read_package(folder: Path, expected_digest: str | None = None) -> Package:
    """Read a package and check every file of it.

    Args:
        folder: what `seal` made, copied or downloaded.
        expected_digest: what the package must be, told by somebody other than the folder; None
            believes the folder.

    Raises:
        PackageError: when the digest is another one, or a file is unlisted, missing, altered, or
            no plain file.
    """
    text, description = _read_description(folder)
    digest = hashlib.sha256(text).hexdigest()
    if expected_digest is not None and digest != expected_digest:
        raise PackageError(
            f"{folder} is package {digest}, expected {expected_digest}: fetch it again"
        )
    present = _plain_files(folder) - {DESCRIPTION}
    for kind, paths in (
        ("lists no", present - description.files.keys()),
        ("misses", description.files.keys() - present),
    ):
        if paths:
            raise PackageError(
                f"package {folder} {kind} {', '.join(sorted(paths)[:3])}"
                f"{' …' if len(paths) > 3 else ''}: fetch it again"
            )
    for path, wanted in sorted(description.files.items()):
        if _sha256(folder / path) != wanted:
            raise PackageError(f"{path} of package {folder} was altered: fetch it again")
    return Package(**vars(description), folder=folder, digest=digest)


def seal(folder: Path, description: Description) -> Package:
    """Write ``package.json`` over the files that lie in ``folder``; an old one is replaced.

    Args:
        folder: a SavedModel with all that the package shall hold.
        description: what to say of it; its ``files`` are filled in here.

    Raises:
        PackageError: when a value is not what a package may hold.
    """
    files = {name: _sha256(folder / name) for name in _plain_files(folder) - {DESCRIPTION}}
    text, sealed = _written(replace(description, files=files))
    path = folder / DESCRIPTION
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(text)
    partial.replace(path)
    return Package(**vars(sealed), folder=folder, digest=hashlib.sha256(text).hexdigest())


def check_description(description: Description) -> None:
    """Refuse at once what `seal` would refuse when all else is done.

    Raises:
        PackageError: when a value is not what a package may hold.
    """
    _written(description)


def _written(description: Description) -> tuple[bytes, Description]:
    """The content of ``package.json``, and what is read from it."""
    try:
        values = TypeAdapter(Description).dump_python(description)
        if not description.metrics:
            # Written as before there were any, a package keeps its digest.
            del values["metrics"]
        text = canonical(values)
        return text, _parse(text)
    except ValueError as error:
        raise PackageError(f"cannot package {description.model}: {_problems(error)}") from error


def _read_description(folder: Path) -> tuple[bytes, Description]:
    path = folder / DESCRIPTION
    try:
        # Before it is opened: reading a pipe would wait for ever.
        if path.is_symlink() or not path.is_file():
            raise PackageError(f"{folder} is no package: it has no file {DESCRIPTION}")
        if path.stat().st_size > _MAX_DESCRIPTION_BYTES:
            raise PackageError(
                f"{folder} is no package: {DESCRIPTION} is above {_MAX_DESCRIPTION_BYTES} bytes"
            )
        text = path.read_bytes()
    except OSError as error:
        raise PackageError(
            f"{folder} is no package: cannot read {DESCRIPTION}: {error.strerror}"
        ) from error
    try:
        return text, _parse(text)
    except ValueError as error:
        raise PackageError(
            f"{folder} is no package of ours: {DESCRIPTION}: {_problems(error)}"
        ) from error


def _parse(text: bytes) -> Description:
    description: Description = TypeAdapter(Description).validate_json(text)
    if len(set(description.labels)) < len(description.labels):
        raise ValueError(f"labels: every label must occur once, got {description.labels}")
    # Other spellings of the same values, such as a key that occurs twice, would hide what was
    # digested.
    if canonical(json.loads(text)) != text:
        raise ValueError("altered: it is not in canonical form")
    return description


def _problems(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'value'}: {problem['msg']}"
        for problem in error.errors()
    )


def _plain_files(folder: Path) -> set[str]:
    """Paths of all files below ``folder``, with slashes; links and devices are refused."""
    found: set[str] = set()
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise PackageError(f"{relative} of package {folder} is no plain file")
            if path.is_file():
                found.add(relative)
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
