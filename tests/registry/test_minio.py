"""The store on a real MinIO, which is what a cluster has; `make bin/minio` builds it with Go."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.chart.rendering import tool
from tests.unit.registry.store_contract import StoreContract
from weathervane.config import StoreConfig


@pytest.fixture(scope="module")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreConfig]:
    folder = tmp_path_factory.mktemp("minio")
    keys = {"MINIO_ROOT_USER": "minio-root", "MINIO_ROOT_PASSWORD": "minio-root-secret"}
    command = [tool("minio"), "server", str(folder), "--address", "127.0.0.1:0", "--json"]
    command += ["--certs-dir", str(folder / "certs")]
    with subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "MINIO_BROWSER": "off", **keys},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            # The server says its address once it listens.
            found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stdout or ())
            yield StoreConfig(
                endpoint=next(filter(None, found)).group(),
                access_key=keys["MINIO_ROOT_USER"],
                secret_key=keys["MINIO_ROOT_PASSWORD"],
            )
        finally:
            server.terminate()
            server.communicate()


class TestMinio(StoreContract):
    """The store that the chart brings."""
