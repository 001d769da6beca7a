"""A compiled pipeline on one machine: the same YAML that a cluster gets, run as processes.

In: the compiled definition, its arguments, and the addresses of the platform. Out: what each step
gave, progress in lines while it runs, the whole log in a file; when a step fails, the error that it
raised, as if it had been called here. Whatever happens, no process is left.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast
from uuid import uuid4

from pipelines.failures import as_raised
from weathervane.errors import PlatformError, WeathervaneError
from weathervane.folders import forget_old_runs

# How a compiled task says that it runs even when those before it have failed.
_EXIT_HANDLER = "ALL_UPSTREAM_TASKS_COMPLETED"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step that ended well."""

    name: str  # the component's; "train cnn" when one component runs for several things
    seconds: float
    outputs: Mapping[str, Any]  # values of parameters and paths of artifacts, by name


def run(
    definition: Path,
    arguments: Mapping[str, Any],
    *,
    folder: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None] = print,
    ended: Callable[[Step], None] = lambda step: None,
) -> tuple[Step, ...]:
    """Run a compiled pipeline and wait for its end.

    Args:
        definition: the compiled YAML.
        arguments: of the pipeline, by name; the others keep their defaults.
        folder: a subfolder for this run is made here, with the steps' outputs and ``log.txt``;
            those of the newest runs stay.
        environment: variables for the steps beside our own, such as the store's credentials.
        progress: told in one line what begins, what a step says, and what ends.
        ended: given each step when it has ended well.

    Raises:
        WeathervaneError: the error of the step that failed, of the class that the step raised.
    """
    forget_old_runs(folder)
    here = folder.absolute() / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
    scratch = here / "tmp"
    scratch.mkdir(parents=True)
    log = here / "log.txt"
    job = {"definition": str(definition), "arguments": dict(arguments), "folder": str(here)}
    environment = {
        **os.environ,
        **environment,
        "PYTHONSAFEPATH": "1",  # what lies in the working folder is nobody's module
        "PYTHONUNBUFFERED": "1",  # progress arrives when it is said
        "TMPDIR": str(scratch),  # kfp leaves the source of each step behind
    }
    # What it has to do whatever happens, such as to leave no canary behind.
    ends_by_itself = _EXIT_HANDLER in definition.read_text(encoding="utf-8")
    failure: WeathervaneError | None = None
    steps: list[Step] = []
    try:
        with _runner(job, environment, log) as events:
            for event in events:
                name = event["step"]
                match event["event"]:
                    case "begun":
                        progress(f"{name}: begun")
                    case "said":
                        progress(f"{name}: {event['line']}")
                    case "ended" if event["code"] == 0:
                        step = Step(name=name, seconds=event["seconds"], outputs=event["outputs"])
                        progress(f"{name}: done in {step.seconds:.1f} s")
                        steps.append(step)
                        ended(step)
                    case "ended":
                        failure = failure or _error_of(name, event["code"], event["error"], log)
                        # Steps that still run beside it would work for nothing.
                        if not ends_by_itself:
                            raise failure
            if failure:
                raise failure
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tuple(steps)


@contextmanager
def _runner(
    job: Mapping[str, Any], environment: Mapping[str, str], log: Path
) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of `pipelines.runner`; on leaving, it and all that it started are gone."""
    with (
        log.open("w", encoding="utf-8") as log_file,
        subprocess.Popen(
            [sys.executable, "-m", "pipelines.runner"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            # A group of its own, so that its steps can be ended with it; Ctrl-C reaches us only.
            start_new_session=True,
        ) as process,
    ):
        try:
            # This pipe stays open as long as we live.
            stdin = cast(TextIO, process.stdin)
            stdin.write(json.dumps(job) + "\n")
            stdin.flush()
            yield map(json.loads, cast(TextIO, process.stdout))
            if process.wait() != 0:
                raise WeathervaneError(
                    f"the pipeline could not be run: {_last_line(log)}; its log is {log}"
                )
        finally:
            # Also when the runner is gone by itself: its steps may not be.
            if process.poll() != 0:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _error_of(step: str, code: int, told: str, log: Path) -> WeathervaneError:
    """What the step raised, when it is an error of ours; otherwise where to read about it."""
    if raised := as_raised(told):
        return raised
    if f"[Errno {errno.ENOSPC}]" in told:
        return PlatformError(f"no room left on the disk for step {step} in {log.parent}")
    reason = told or f"ended with code {code}"
    if code == 128 + signal.SIGKILL:  # as the shell around each step reports it
        reason = "was killed, perhaps for lack of memory"
    return WeathervaneError(f"step {step}: {reason}; its log is {log}")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
