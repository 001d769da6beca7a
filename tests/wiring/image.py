"""The image of pipelines without Docker: exactly its requirements, and nothing else of ours."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
    folder = tmp_path_factory.mktemp("image")
    environment, code = folder / "environment", folder / "code"
    code.mkdir()
    for name in ("weathervane", "components", "pipelines", "predictor"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, code)
    uv, python = Path(sys.executable).with_name("uv"), environment / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    into = ("--quiet", "--python", str(python))
    requirements = ROOT / "requirements" / "pipeline.txt"
    subprocess.run([uv, "pip", "sync", *into, "--require-hashes", requirements], check=True)
    subprocess.run(
        [uv, "pip", "install", *into, "--no-deps", "--no-build-isolation", code], check=True
    )
    return python


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
