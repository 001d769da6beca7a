"""Images without Docker: exactly an image's requirements, our own code, and its commands.

The predictor's default image is looked at by tests/predictor/test_image.py.
"""

import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from tests.images import install
from weathervane.registry.package import LITERT_MODEL, Description, Package, seal

COMMANDS = [
    ("-m", "weathervane.install", "--help"),
    ("-m", "weathervane.cli", "rollout", "drive", "--help"),
    ("-m", "mlflow", "server", "--help"),
    ("-m", "predictor", "--help"),
    ("-c", "import kfp, keras, kubernetes, kserve, flask_wtf, ai_edge_litert, pipelines.training"),
    ("-c", "import weathervane.local.smoke"),
]


def run(python: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of `pipelines/Dockerfile`."""
    rooms = ("weathervane", "components", "pipelines", "predictor")
    return install(tmp_path_factory.mktemp("pipeline"), "pipeline.txt", *rooms)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_what_runs_in_the_image_of_pipelines_starts(
    pipeline: Path, arguments: tuple[str, ...], tmp_path: Path
):
    ended = run(pipeline, *arguments, folder=tmp_path)

    assert ended.returncode == 0, ended.stderr


def test_the_predictors_image_with_tensorflow_serves_a_package_without_litert(
    tiny_package: Package, tmp_path: Path
):
    (tmp_path / "image").mkdir()
    python = install(tmp_path / "image", "predictor-tensorflow.txt", "weathervane", "predictor")
    folder = tmp_path / "package"
    shutil.copytree(tiny_package.folder, folder)
    (folder / LITERT_MODEL).unlink()
    told = {field.name: getattr(tiny_package, field.name) for field in fields(Description)}
    seal(folder, Description(**told))

    ended = run(python, "-m", "predictor.self_test", str(folder), folder=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("serves: 8 golden pictures")
