"""SIGKILL at any step of a change: a child process makes it, and dies at the moment asked for."""

import os
import signal
from collections.abc import Callable, Iterator

from weathervane.local import gateway, ports, processes
from weathervane.rollout import journal

# Whatever these do is a step: the process is killed before the first, after it, before the next…
STEPS = (
    (gateway, "write_whole"),
    (ports, "write_whole"),
    (gateway.Gateway, "_version"),
    (gateway.Gateway, "drain"),
    (processes, "start"),
    (processes, "stop"),
    (processes, "_signal"),
    (journal, "write_whole"),
    (journal.FileJournal, "append"),
)


def killed_at(moment: int, change: Callable[[], None]) -> bool:
    """Run ``change`` in a process that is killed at its so-manieth moment; whether it was."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    passed = 0

    def pass_moment() -> None:
        nonlocal passed
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def deadly(step: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            pass_moment()
            result = step(*args, **kwargs)
            pass_moment()
            return result

        return wrapped

    try:
        for owner, name in STEPS:
            setattr(owner, name, deadly(getattr(owner, name)))
        change()
        os._exit(0)
    finally:
        os._exit(1)


def moments(change: Callable[[], None]) -> Iterator[int]:
    """Each moment of a change at which it was killed, until it survives."""
    moment = 0
    while killed_at(moment, change):
        yield moment
        moment += 1
