"""A run on a cluster, watched to its end: what changes in lines, how it ended as an exit code.

In: a `Kubeflow` and a run's id. Out: `ExitCode.DONE`, `GATE_REFUSED` or `ROLLED_BACK`, or the error
that the failed step raised, as if it had been called here.

How a run ended is read from its graph: a training whose gate let nothing through skips what
registers, and a release that was taken back has a step that says so. Why a step failed stands only
in its log.
"""

import time
from collections.abc import Callable, Iterator

from pipelines.failures import as_raised, last_error
from pipelines.kubeflow import Kubeflow
from pipelines.runs import Run, Task
from weathervane.errors import ExitCode, PlatformError, WeathervaneError

# V2beta1RuntimeState: states that nothing follows.
ENDED = frozenset({"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"})
_WORDS = {"RUNNING": "begun", "FAILED": "failed", "SKIPPED": "skipped"}


def follow(
    kubeflow: Kubeflow,
    run_id: str,
    progress: Callable[[str], None],
    *,
    pause_seconds: float = 5.0,
    away_seconds: float = 300.0,
) -> Run:
    """Wait for a run's end, telling in a line what begins and what ends.

    An API that is away for a while, such as a forwarded port, is waited for: the run needs nobody
    to look at it.

    Raises:
        PlatformError: when nothing answers for ``away_seconds``.
    """
    told: dict[str, str] = {}
    answered = time.monotonic()
    while True:
        try:
            run = kubeflow.run(run_id)
        except PlatformError as error:
            if time.monotonic() - answered >= away_seconds:
                raise
            if told.get("") != str(error):
                told[""] = str(error)
                progress(f"{error}; asking again")
        else:
            answered = time.monotonic()
            told.pop("", None)
            for line in _news(run, told):
                progress(line)
            if run.state in ENDED:
                return run
        time.sleep(pause_seconds)


def outcome(kubeflow: Kubeflow, run: Run) -> ExitCode:
    """How a run that has ended ended.

    Raises:
        WeathervaneError: what the failed step raised, of its class where its log can be read.
    """
    if run.state == "FAILED":
        raise _failure(kubeflow, run)
    if run.state != "SUCCEEDED":
        raise WeathervaneError(f"run {run.id} was {run.state.lower()} before its end")
    succeeded = {one.name for one in run.tasks if one.state == "SUCCEEDED"}
    if "gate" in run.steps and "gate" in succeeded:
        return ExitCode.DONE if "register" in succeeded else ExitCode.GATE_REFUSED
    if "roll-out" in run.steps and "roll-out" in succeeded:
        return ExitCode.ROLLED_BACK if "rolled-back" in succeeded else ExitCode.DONE
    raise WeathervaneError(
        f"run {run.id} succeeded, but what became of it cannot be read from its steps"
    )


def _news(run: Run, told: dict[str, str]) -> Iterator[str]:
    for task in sorted(run.tasks, key=lambda one: (one.ended or float("inf"), one.name)):
        if task.name not in run.steps or told.get(task.id) == task.state:
            continue
        told[task.id] = task.state
        if task.state == "SUCCEEDED":
            yield f"{task.name}: done in {task.seconds:.0f} s"
        elif task.state in _WORDS:
            yield f"{task.name}: {_WORDS[task.state]}"


def _failure(kubeflow: Kubeflow, run: Run) -> WeathervaneError:
    failed = [one for one in run.tasks if one.name in run.steps and one.state == "FAILED"]
    if not failed:
        return WeathervaneError(f"run {run.id} failed: {run.error or 'no step says why'}")
    first = min(failed, key=lambda one: one.ended or float("inf"))
    told = _last_error(kubeflow, run, first)
    reason = told or "its log cannot be read here"
    return as_raised(told) or WeathervaneError(f"step {first.name} of run {run.id}: {reason}")


def _last_error(kubeflow: Kubeflow, run: Run, task: Task) -> str:
    try:
        lines = kubeflow.log(run.id, task.node) if task.node else None
    except PlatformError:
        return ""
    return last_error(lines or ())
