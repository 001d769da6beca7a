"""The training pipeline on one machine: pictures in, a judged model in the registry out.

In: what a person chooses. Out: a `PipelineResult`; a refused candidate is a result like any other.
Everything that can be refused before the first step is refused before it.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pipelines import local
from pipelines.compile import BESIDE, TRAINING
from weathervane import config
from weathervane.data.sources import is_address
from weathervane.errors import UsageError
from weathervane.evaluation import slices
from weathervane.evaluation.gate import Judgement
from weathervane.evaluation.judgements import read_judgement
from weathervane.registry.package import Description
from weathervane.training.architectures import ARCHITECTURES

# Reports get a name that a browser knows, beside the log of the run.
_PAGES = {"validate": "validation.html", "gate": "comparison.html"}


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    """How a training ended, and where to read about it."""

    judgement: Judgement  # of every candidate, and the one that was chosen
    digest: str | None  # of the package that is now the challenger
    version: int | None  # of the registered model
    folder: Path  # of this run
    validation_report: Path  # HTML
    comparison_report: Path  # HTML
    steps: tuple[local.Step, ...]

    @property
    def passed(self) -> bool:
        """Whether a candidate passed every gate and was registered."""
        return self.judgement.passed


def run_training(
    data: str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    architectures: Sequence[str] = ("cnn", "mobilenetv2"),
    image_size: int = 96,
    weights: str | None = None,
    settings: Mapping[str, Any] | None = None,
    model: str = "weather",
    definition: Path = BESIDE / TRAINING,
    progress: Callable[[str], None] = print,
) -> PipelineResult:
    """Run the compiled training pipeline.

    Args:
        data: a folder of class folders, a zip or tar of it, or a table (CSV, Parquet) of path and
            label; by path, or by ``s3://`` address in the store.
        folder: what the steps write and the log go into a subfolder of it.
        environment: where the store and MLflow are, for the steps.
        architectures: what to train, each once.
        image_size: pixels a side of what the models see.
        weights: for the backbones: a file, "imagenet", or None for random ones.
        settings: sections ``validation``, ``shift``, ``split``, ``train``, ``evaluation`` and
            ``gate``.
        model: the registered model, which has the name of the service.
        definition: the compiled pipeline.
        progress: told one line at a time.

    Raises:
        UsageError: when an argument is wrong.
        WeathervaneError: what the failed step raised.
    """
    arguments = {
        "data": data if is_address(data) else str(Path(data).absolute()),
        "architectures": checked_architectures(architectures),
        "image_size": checked_size(image_size),
        "weights": _checked_weights(weights),
        "settings": dict(settings or {}),
        "model": checked_name(model),
    }
    chosen = config.from_mapping(config.PipelineSettings, arguments["settings"], "settings")
    slices.check(chosen.evaluation.slices)
    pages: dict[str, Path] = {}

    def keep_page(step: local.Step) -> None:
        # At once: the report matters most when the next step fails.
        if step.name in _PAGES:
            page = Path(step.outputs["page"])
            pages[step.name] = page.parents[2] / _PAGES[step.name]
            shutil.copy(page, pages[step.name])
            progress(f"{step.name}: report in {pages[step.name]}")

    steps = local.run(
        definition,
        arguments,
        folder=folder,
        environment=environment,
        progress=progress,
        ended=keep_page,
    )
    outputs = {step.name: step.outputs for step in steps}
    return PipelineResult(
        judgement=read_judgement(Path(outputs["gate"]["judgement"])),
        digest=outputs["package"]["Output"] if "register" in outputs else None,
        version=int(outputs["register"]["Output"]) if "register" in outputs else None,
        folder=pages["gate"].parent,
        validation_report=pages["validate"],
        comparison_report=pages["gate"],
        steps=steps,
    )


def checked_architectures(names: Sequence[str]) -> list[str]:
    """The names, each once and known."""
    unknown = [name for name in names if name not in ARCHITECTURES]
    if unknown or not names:
        raise UsageError(
            f"there is no architecture {', '.join(unknown) or 'to train'}; there are "
            f"{', '.join(ARCHITECTURES)}"
        )
    if len(set(names)) < len(names):
        raise UsageError(f"name each architecture once, got {', '.join(names)}")
    return list(names)


def checked_size(size: int) -> int:
    """The size, when a model can have it."""
    if not 32 <= size <= 512:
        raise UsageError(f"the image size must be from 32 to 512 pixels, got {size}")
    return size


def _checked_weights(weights: str | None) -> str:
    if weights in (None, "", "imagenet"):
        return weights or ""
    if not Path(weights).is_file():
        raise UsageError(f"there is no file of weights {weights}")
    return str(Path(weights).absolute())


def checked_name(model: str) -> str:
    """The name, when a model can have it."""
    kind = get_type_hints(Description, include_extras=True)["model"]
    try:
        return str(TypeAdapter(kind).validate_python(model))
    except ValidationError as error:
        raise UsageError(
            "a model's name is made of small letters, digits and hyphens, at most 63, got "
            f"{model!r}"
        ) from error
