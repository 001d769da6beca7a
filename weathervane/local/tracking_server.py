"""The tracking server of one machine: MLflow on SQLite, its artifacts in the object store.

In: the state folder and the store. Out: how the server is started.
"""

import sys
from pathlib import Path

from weathervane.config import StoreConfig
from weathervane.local.ports import LOOPBACK
from weathervane.local.servers import Server

NAME = "tracking"


def server(state: Path, store: StoreConfig) -> Server:
    """How MLflow is started; its first start makes a database, which takes a while."""
    return Server(
        name=NAME,
        title="MLflow",
        ports=(NAME,),
        command=lambda ports: _command(state, ports[0], store),
        ready_path="/health",
        ready_seconds=120,
    )


def _command(state: Path, port: int, store: StoreConfig) -> tuple[list[str], dict[str, str]]:
    folder = state / "tracking"
    folder.mkdir(exist_ok=True)
    argv = [sys.executable, "-m", "mlflow", "server"]
    argv += ["--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    argv += ["--backend-store-uri", f"sqlite:///{folder.absolute() / 'mlflow.db'}"]
    argv += ["--artifacts-destination", f"s3://{store.bucket}/mlflow"]
    # One line for each request would fill the disk.
    argv += ["--uvicorn-opts", "--log-level warning"]
    environment = {
        "MLFLOW_S3_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_DEFAULT_REGION": store.region,
        # A folder named `mlflow` where the user happens to stand is not the library.
        "PYTHONSAFEPATH": "1",
        # Without jobs it is 2 processes instead of 9.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        # It would send the server to itself.
        "MLFLOW_TRACKING_URI": "",
    }
    return argv, environment
