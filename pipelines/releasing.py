"""The release pipeline on one machine: a registered package in, live traffic or its way back out.

In: what a person chooses. Out: a `ReleaseResult`; a package that was taken back is a result like
any other. What can be refused before the first step is refused before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import local
from pipelines.compile import BESIDE, RELEASE
from weathervane import config
from weathervane.rollout.plan import Plan
from weathervane.rollout.release import take_back
from weathervane.rollout.service import open_service


@dataclass(frozen=True, kw_only=True)
class ReleaseResult:
    """How a release ended."""

    promoted: bool
    digest: str  # of the package
    summary: str  # Markdown, with the figures of each step
    steps: tuple[local.Step, ...]


def run_release(
    *,
    folder: Path,
    environment: Mapping[str, str],
    package: str = "challenger",
    plan: Mapping[str, Any] | None = None,
    model: str = "weather",
    who: str = "weathervane-release",
    definition: Path = BESIDE / RELEASE,
    progress: Callable[[str], None] = print,
) -> ReleaseResult:
    """Run the compiled release pipeline.

    Args:
        folder: what the steps write and the log go into a subfolder of it.
        environment: where the platform is, for the steps.
        package: an alias or a digest.
        plan: of the rollout, as in its file.
        model: the registered model, which has the name of the service.
        who: releases it, for the record.
        definition: the compiled pipeline.
        progress: told one line at a time.

    Raises:
        UsageError: when the plan is none.
        WeathervaneError: what the failed step raised.
    """
    arguments = {"model": model, "package": package, "plan": dict(plan or {}), "who": who}
    config.from_mapping(Plan, arguments["plan"], "plan")
    try:
        steps = local.run(
            definition, arguments, folder=folder, environment=environment, progress=progress
        )
    except KeyboardInterrupt:
        # No step runs any more, so neither does the pipeline's own way to leave no canary.
        service = open_service(model, Path(environment["WEATHERVANE_STATE"]))
        take_back(service.rollout(progress), service.journal, who=who, why="interrupted")
        raise
    outputs = {step.name: step.outputs for step in steps}
    return ReleaseResult(
        promoted=bool(outputs["roll_out"]["Output"]),
        digest=outputs["resolve"]["digest"],
        summary=Path(outputs["roll_out"]["summary"]).read_text(encoding="utf-8"),
        steps=steps,
    )
