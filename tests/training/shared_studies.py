"""A process that takes part in a study, for tests of several that share one; and a PostgreSQL."""

import getpass
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from weathervane.config import TrainConfig
from weathervane.data.prepare import Dataset
from weathervane.training import tuning
from weathervane.training.tuning import Budget

_CONTEXT = multiprocessing.get_context("forkserver")  # imports are paid for once
_CONTEXT.set_forkserver_preload([__name__, "optuna", "psycopg", "sqlalchemy.dialects.postgresql"])
_PATIENCE_SECONDS = 60

START = TrainConfig(architecture="mobilenetv2", weights="imagenet", learning_rate=1e-3)
DATASET = Dataset(
    folder=Path(), classes=("a", "b"), size=96, preprocessing="1", data_digest="d" * 64, counts={}
)


class Worker:
    """One such process. It waits before it joins the study, and in its first trial."""

    def __init__(self, storage: str, study: str, trials: int) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=_take_part, args=(theirs, storage, study, trials), daemon=True
        )
        self._process.start()
        theirs.close()

    def says(self) -> str | int:
        """The next that it says: ``ready``, ``trial``, then how many trials it ran."""
        assert self._pipe.poll(_PATIENCE_SECONDS)
        said: str | int = self._pipe.recv()
        return said

    def go_on(self) -> None:
        self._pipe.send(None)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _take_part(pipe: Connection, storage: str, study: str, trials: int) -> None:
    """What a worker does: trials that cost nothing."""
    ran = 0

    def meet(word: str) -> None:
        pipe.send(word)
        pipe.recv()

    def objective(settings: TrainConfig, watch: tuning.Watch) -> float:
        nonlocal ran
        ran += 1
        if ran == 1:
            meet("trial")
        watch(1, settings.learning_rate)
        return settings.learning_rate

    tuning._objective = lambda *_: objective
    meet("ready")
    tuning.tune(DATASET, START, Budget(trials=trials), study=study, storage=storage)
    pipe.send(ran)


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of one's own on loopback, with an empty database; its URL.

    Skips, aloud, where none is installed (Debian: ``postgresql``).
    """
    places = [os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    programs = shutil.which("initdb", path=os.pathsep.join(places))
    if not programs:
        pytest.skip("no PostgreSQL is installed: studies in one are not tested")
    binaries = Path(programs).parent
    # It refuses to be run by root; packages bring an account for it.
    account = "postgres" if os.geteuid() == 0 else getpass.getuser()
    with tempfile.TemporaryDirectory() as scratch, socket.socket() as free:
        shutil.chown(scratch, account)
        data, secret = Path(scratch, "data"), Path(scratch, "password")
        secret.write_text("of-a-test")
        secret.chmod(0o644)
        subprocess.run(
            [
                *(binaries / "initdb", "-D", data, "-U", "studies", "--pwfile", secret),
                *("--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8", "--locale", "C"),
            ],
            user=account,
            check=True,
            capture_output=True,
            cwd=scratch,
        )
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        server = [binaries / "pg_ctl", "-D", data, "-w", "-l", Path(scratch, "log")]
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -k {scratch} -c fsync=off"
        subprocess.run(
            [*server, "-o", options, "start"],
            user=account,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=scratch,
        )
        try:
            yield f"postgresql://studies:of-a-test@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run(
                [*server, "-m", "immediate", "stop"],
                user=account,
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=scratch,
            )
