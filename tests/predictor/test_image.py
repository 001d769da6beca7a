"""What goes into the image: exactly its requirements serve, and its files say what they should."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from predictor.__main__ import parse
from tests.images import ROOT, install
from weathervane.registry.package import Package

DOCKERFILE = (ROOT / "predictor" / "Dockerfile").read_text()
LEFT_OUT = ("tensorflow", "keras", "kfp", "mlflow", "sklearn", "scipy", "pyarrow", "pytest")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with what `predictor/Dockerfile` puts into its default image, and nothing else."""
    return install(tmp_path_factory.mktemp("image"), "predictor.txt", "weathervane", "predictor")


def bare(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it without a shell, a PATH, or anything of this environment."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [python, *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.process
def test_its_requirements_serve_a_prediction_and_write_nothing(
    installed: Path, tiny_package: Package, tmp_path: Path
):
    before = files_below(installed.parents[1])

    ended = bare(installed, "-m", "predictor.self_test", str(tiny_package.folder), cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("serves: 8 golden pictures")
    assert files_below(installed.parents[1]) == before
    assert list(tmp_path.iterdir()) == []


def files_below(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.process
def test_nothing_heavy_is_in_it(installed: Path, tmp_path: Path):
    found = bare(
        installed,
        "-c",
        "import sys, importlib.util as u; print(*[n for n in sys.argv[1:] if u.find_spec(n)])",
        *LEFT_OUT,
        cwd=tmp_path,
    )

    assert found.stdout.split() == []


@pytest.mark.process
def test_a_package_without_litert_says_which_image_serves_it(
    installed: Path, tensorflow_package: Package, tmp_path: Path
):
    ended = bare(
        installed, "-m", "predictor.self_test", str(tensorflow_package.folder), cwd=tmp_path
    )

    assert ended.returncode != 0
    assert "brings no LiteRT model, and this predictor has no TensorFlow" in ended.stderr
    assert "image with TensorFlow" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_dockerfile_has_nothing_to_complain_of():
    hadolint = Path(sys.executable).with_name("hadolint")

    subprocess.run([hadolint, "--strict-labels", ROOT / "predictor" / "Dockerfile"], check=True)


def test_its_base_is_pinned_and_its_user_is_a_number():
    bases = re.findall(r"^ARG PYTHON=(\S+)|^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    own = set(re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE)) | {"${PYTHON}"}

    for argument, base in bases:
        assert base in own or re.search(r":3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}$", argument)
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["65532:65532"]


def test_the_default_image_is_the_one_without_tensorflow():
    last = DOCKERFILE.rpartition("FROM ")[2]

    assert last.startswith("base AS predictor\n")
    assert "tensorflow" not in last


def test_every_file_that_it_copies_is_there_and_let_through():
    ignore = (ROOT / "predictor" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)

    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in ignore


@pytest.fixture(scope="module")
def runtime() -> Any:
    return yaml.safe_load((ROOT / "predictor" / "serving-runtime.yaml").read_text())


def test_the_predictor_takes_the_arguments_that_kserve_gives(runtime: Any):
    (container,) = runtime["spec"]["containers"]
    arguments = [one.replace("{{.Name}}", "weather") for one in container["args"]]

    config = parse([*arguments, f"--digest={'0' * 64}", "--revision=weather-00001"], "predictor")

    assert (config.package, config.name) == ("/mnt/models", "weather")
    assert container["ports"][0]["containerPort"] == config.http_port
    assert runtime["spec"]["annotations"]["prometheus.kserve.io/port"] == str(config.http_port)
    assert f"EXPOSE {config.http_port} {config.grpc_port}\n" in DOCKERFILE


def test_the_pod_may_do_nothing_that_it_need_not(runtime: Any):
    context = runtime["spec"]["containers"][0]["securityContext"]

    assert context["runAsUser"] == 65532
    assert context["runAsNonRoot"]
    assert context["readOnlyRootFilesystem"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
