"""The commands of docs/kubernetes.md that back MLflow up and restore it, on the one that runs."""

import re
import subprocess
import sys
from pathlib import Path

from tests.chart.rendering import ROOT
from tests.wiring.installation import Installation
from tests.wiring.nodes import Node, pods_of
from weathervane.registry.versions import CHALLENGER

COMMANDS = re.findall(r"python -c '([^']+)'", (ROOT / "docs" / "kubernetes.md").read_text())
(BACK_UP,) = (one for one in COMMANDS if "sqlite3" in one)
(RESTORE,) = (one for one in COMMANDS if "write_bytes" in one)
WHO_IS_CHALLENGER = f"""
from weathervane.config import tracking_uri
from weathervane.registry.versions import Registry
print(Registry(tracking_uri()).alias("weather", "{CHALLENGER}").digest)
"""


def test_another_mlflow_with_the_copies_knows_the_models_and_who_may_log_in(
    installed: Installation, trained: str, tmp_path: Path
):
    data, restored = installed.folder / "mlflow" / "data", tmp_path / "mlflow" / "data"
    restored.mkdir(parents=True)
    for name in ("mlflow.db", "logins.db"):
        subprocess.run([sys.executable, "-c", BACK_UP, data / name, tmp_path / name], check=True)
        with (tmp_path / name).open("rb") as copy:
            subprocess.run([sys.executable, "-c", RESTORE, restored / name], stdin=copy, check=True)
    with Node(tmp_path, store=installed.node.store) as node:
        pod = pods_of(installed.found, "Deployment", "weathervane-mlflow")
        node.serve("mlflow", pod, installed.secrets, node.tracking, "/health")
        elsewhere = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{node.tracking}"}

        said = installed.in_the_role("weathervane-settings", WHO_IS_CHALLENGER, **elsewhere)

    assert said == installed.in_the_role("weathervane-settings", WHO_IS_CHALLENGER)
    assert re.fullmatch(r"[0-9a-f]{64}\n", said), said
