"""An image without Docker: exactly its requirements, our own code, and nothing else of ours."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def install(folder: Path, requirements: str, *rooms: str) -> Path:
    """Make an environment below ``folder`` as a Dockerfile does; its Python.

    ``requirements`` is a name in `requirements/`, ``rooms`` are what .dockerignore lets through.
    """
    environment, code = folder / "environment", folder / "code"
    code.mkdir()
    for name in rooms:
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, code)
    uv, python = Path(sys.executable).with_name("uv"), environment / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    into = ("--quiet", "--python", str(python))
    file = ROOT / "requirements" / requirements
    subprocess.run([uv, "pip", "sync", *into, "--require-hashes", file], check=True)
    subprocess.run(
        [uv, "pip", "install", *into, "--no-deps", "--no-build-isolation", code], check=True
    )
    return python
