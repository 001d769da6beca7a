"""A rollout driven by a process of its own: on one machine the loop must run somewhere.

In: a service, a package, options of ``rollout start``. Out: the rollout's name once it has begun.
The process belongs to the platform of this machine, is found and stopped with it, and its output is
in the platform's folder of logs. Killed, it is followed by the next ``rollout start``.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from weathervane.errors import DeploymentError, ExitCode
from weathervane.local import processes
from weathervane.rollout.asking import Asking
from weathervane.rollout.service import LocalService

_LOOK_SECONDS = 0.1
# Reading the probes from a slow store comes before the beginning.
_BEGIN_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A process that ended before any rollout began, and the last thing that it said."""

    code: ExitCode
    said: str


def start_apart(service: LocalService, digest: str, options: Sequence[str]) -> str | Ended:
    """Start a process that drives a rollout; returns once it has begun, or the process has ended.

    Returns:
        The rollout's name, or how the process ended before any began.

    Raises:
        DeploymentError: when neither has happened in two minutes.
    """
    state = service.platform.state
    name = f"rollout-{service.name}"
    # Nothing is asked of the platform here: the process will, and say what is wrong.
    asking = Asking(service.journal)
    before = asking.last()
    pid = processes.start(
        state,
        name,
        [sys.executable, "-m", "weathervane.cli", "rollout", "start", digest, *options],
        environment={},
    )
    give_up = time.monotonic() + _BEGIN_SECONDS
    while time.monotonic() < give_up:
        now = asking.last()
        # A new rollout, or one step further with one that goes on.
        if now and now.release.digest == digest and now != before:
            return now.id
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            known = ExitCode(code) if code in set(ExitCode) else ExitCode.UNEXPECTED
            return Ended(code=known, said=processes.last_words(state, name))
        time.sleep(_LOOK_SECONDS)
    raise DeploymentError(
        f"the rollout has not begun in {_BEGIN_SECONDS:.0f} s; "
        f"see {processes.log_file(state, name)}"
    )
