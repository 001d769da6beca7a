"""Runs and schedules of Kubeflow Pipelines as frozen values.

In: what its generated client answers. Out: no more of it than we look at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Task:
    """One node of a run's graph."""

    id: str
    name: str
    state: str  # PENDING, RUNNING, SUCCEEDED, FAILED, SKIPPED, …; V2beta1RuntimeState
    seconds: float  # how long it took, when it has ended
    ended: float  # seconds since 1970; 0 while it runs
    node: str | None  # what its log is found by


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it is now."""

    id: str
    state: str
    error: str
    steps: frozenset[str]  # names of the tasks that are containers of ours
    tasks: tuple[Task, ...]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A recurring run."""

    id: str
    name: str
    when: str
    enabled: bool


def read_run(run_id: str, found: Any) -> Run:  # noqa: ANN401  the generated client has no types
    """A run as the client gives it."""
    spec = found.pipeline_spec or {}
    spec = spec.get("pipeline_spec", spec)
    details = found.run_details.task_details if found.run_details else None
    return Run(
        id=run_id,
        state=found.state or "PENDING",
        error=(found.error.message or "") if found.error else "",
        steps=frozenset(_steps(spec)),
        tasks=tuple(map(_task, details or ())),
    )


def read_schedule(found: Any) -> Schedule:  # noqa: ANN401  the generated client has no types
    """A recurring run as the client gives it."""
    trigger = found.trigger
    if trigger and trigger.cron_schedule:
        when = trigger.cron_schedule.cron
    else:
        when = f"every {trigger.periodic_schedule.interval_second} s"
    return Schedule(
        id=found.recurring_run_id,
        name=found.display_name,
        when=when,
        enabled=found.status == "ENABLED",
    )


def _steps(spec: Mapping[str, Any]) -> Iterator[str]:
    components = spec.get("components", {})
    for dag in (spec.get("root", {}), *components.values()):
        for name, task in dag.get("dag", {}).get("tasks", {}).items():
            if "executorLabel" in components.get(task["componentRef"]["name"], {}):
                yield name


def _task(detail: Any) -> Task:  # noqa: ANN401  the generated client has no types
    began, ended = _moment(detail.start_time), _moment(detail.end_time)
    children = [one.pod_name for one in detail.child_tasks or () if one.pod_name]
    return Task(
        id=detail.task_id,
        name=detail.display_name or "",
        state=detail.state or "",
        seconds=max(0.0, ended - began) if ended else 0.0,
        ended=ended,
        node=children[0] if children else None,
    )


def _moment(when: "datetime | None") -> float:
    """Seconds since 1970; the year 1, which Go writes for "not yet", is 0."""
    return max(0.0, when.timestamp()) if when and when.year > 1 else 0.0
