"""A compiled pipeline run by `kfp.local`, in a process of its own: ``python -m pipelines.runner``.

In, as one line of JSON on standard input: ``definition`` (the compiled YAML), ``arguments`` and
``folder`` (where the steps' outputs go). Out, as lines of JSON on standard output: what begins,
says something and ends. Everything that kfp and the steps print goes to standard error.

A process of its own, because kfp replaces `print` and the root logger, and because its steps must
end with it: when standard input closes, whoever started it is gone, and so are the steps.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from pipelines.failures import last_error


def main() -> None:
    """Run the pipeline that standard input describes; exit 1 when it fails."""
    job = json.loads(sys.stdin.readline())
    events = _Events(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    # From here on nothing but events goes there, whoever prints, libraries in C included.
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    from kfp import components, local
    from kfp.local import subprocess_task_handler

    def run_step(full_command: Sequence[str], env_vars: dict[str, str] | None = None) -> int:
        return _run_step(full_command, env_vars or {}, events)

    # kfp offers no hook between a step and its log. Its version is pinned, and the tests of
    # whole pipelines fail when this name goes.
    subprocess_task_handler.run_local_subprocess = run_step
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=job["folder"])
    pipeline = components.load_component_from_file(job["definition"])
    # Tries are a cluster's: here whoever waits sees the failure at once, and can try again.
    spec = pipeline.pipeline_spec
    for dag in (spec.root.dag, *(one.dag for one in spec.components.values())):
        for task in dag.tasks.values():
            task.ClearField("retry_policy")
    pipeline(**job["arguments"])


class _Events:
    """Lines of JSON; steps that run at the same time write whole lines."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def tell(self, event: str, step: str, **more: object) -> None:
        with self._lock:
            self._out.write(json.dumps({"event": event, "step": step, **more}) + "\n")
            self._out.flush()


def _run_step(command: Sequence[str], env: dict[str, str], events: _Events) -> int:
    name = command[command.index("--function_to_execute") + 1]
    task = json.loads(command[command.index("--executor_input") + 1])
    # One component may run several times at once; what it is for tells them apart.
    told = task.get("inputs", {}).get("parameterValues", {})
    about = told.get("architecture") or told.get("shard")
    step = f"{name} {about}" if about else name
    began = time.monotonic()
    events.tell("begun", step)
    with subprocess.Popen(
        command,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        complaints: list[str] = []
        listener = threading.Thread(
            target=_copy, args=(process.stderr, step, complaints.append), daemon=True
        )
        listener.start()
        _copy(process.stdout, step, lambda line: events.tell("said", step, line=line))
        listener.join()
    events.tell(
        "ended",
        step,
        code=process.returncode,
        seconds=time.monotonic() - began,
        outputs=_outputs(task) if process.returncode == 0 else {},
        error=last_error(complaints),
    )
    return process.returncode


def _copy(lines: Iterable[str] | None, step: str, tell: Callable[[str], None]) -> None:
    """Send every line to the log, and what the step itself says to ``tell``."""
    in_executor = False
    for line in lines or ():
        sys.stderr.write(f"[{step}] {line}")
        # kfp's executor logs to standard output too, and shows its input over many lines.
        if line.startswith("[KFP Executor"):
            in_executor = "Got executor_input" in line
        elif in_executor:
            in_executor = not line.startswith("}")
        else:
            tell(line.rstrip("\n"))


def _outputs(task: dict[str, Any]) -> dict[str, Any]:
    """Values of the output parameters, and paths of the output artifacts, by name."""
    outputs = task.get("outputs", {})
    written = Path(outputs["outputFile"])
    values = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
    paths = {name: one["artifacts"][0]["uri"] for name, one in outputs.get("artifacts", {}).items()}
    return {**paths, **values.get("parameterValues", {})}


def _end_with_parent() -> None:
    sys.stdin.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
