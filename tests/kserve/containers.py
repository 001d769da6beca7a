"""Containers of Jobs: processes of our command line, forked from one that has imported everything.

In: a command and its environment. Out: the process, and what it has said when it has ended. What
takes seconds, importing MLflow above all, happens once.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.kserve.preloaded"])


@dataclass(frozen=True)
class Ended:
    """A container's exit code and output."""

    returncode: int
    stdout: str
    stderr: str


class Container:
    """A process that runs ``weathervane`` with these arguments, and dies with us."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._out, self._error = (Path(self._folder.name, name) for name in ("out", "error"))
        self._process = _CONTEXT.Process(
            target=_run,
            args=(list(arguments), dict(environment), str(self._out), str(self._error)),
            daemon=True,
        )
        self._process.start()

    def ends_within(self, seconds: float) -> bool:
        self._process.join(seconds)
        return self._process.exitcode is not None

    def kill(self) -> None:
        """As SIGKILL does."""
        self._process.kill()
        self._process.join()
        self._folder.cleanup()

    def ended(self, seconds: float = 60) -> Ended:
        """What it has said, when it has ended within so many seconds."""
        if not self.ends_within(seconds):
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        assert code is not None
        # A container that dies before its first word has made no files.
        out, error = (
            file.read_text() if file.exists() else "" for file in (self._out, self._error)
        )
        self._folder.cleanup()
        return Ended(code, out, error)


def _run(arguments: list[str], environment: dict[str, str], out: str, error: str) -> None:
    from kubernetes.config import kube_config

    from weathervane.cli import main

    for descriptor, file in ((1, out), (2, error)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.update(environment)
    # The library reads KUBECONFIG once, when it is imported.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = environment["KUBECONFIG"]
    sys.argv = ["weathervane", *arguments]
    main()
