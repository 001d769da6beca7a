"""The image of pipelines without Docker: exactly its requirements, and nothing else of ours."""

import subprocess
from pathlib import Path

import pytest

from tests.images import install

COMMANDS = [
    ("-m", "weathervane.install", "--help"),
    ("-m", "weathervane.cli", "rollout", "drive", "--help"),
    ("-m", "mlflow", "server", "--help"),
    ("-m", "predictor", "--help"),
    ("-c", "import kfp, keras, kubernetes, kserve, flask_wtf, ai_edge_litert, pipelines.training"),
    ("-c", "import weathervane.local.smoke"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rooms = ("weathervane", "components", "pipelines", "predictor")
    return install(tmp_path_factory.mktemp("image"), "pipeline.txt", *rooms)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_what_runs_in_it_starts(installed: Path, arguments: tuple[str, ...], tmp_path: Path):
    ended = subprocess.run(
        [installed, *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
