"""The examples of ``docs/clients.md``, each run as it stands there."""

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.predictor.running import Running
from weathervane.registry.package import Package

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(
    r"^```(sh|python)\n(.*?)^```$", (ROOT / "docs" / "clients.md").read_text(), re.M | re.S
)
# Programs that are not of Python's making.
TOOLS = ("curl", "grpcurl")


@pytest.fixture
def ask(
    predictor: Running, pictures: dict[str, bytes], tmp_path: Path
) -> Callable[[str, str], str]:
    (tmp_path / "picture.jpg").write_bytes(pictures["JPEG"])
    environment = {
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), str(ROOT / "bin"), os.environ["PATH"]]
        ),
        "PYTHONPATH": str(ROOT),
        "PREDICTOR": predictor.rest,
        "PREDICTOR_GRPC": predictor.grpc,
    }

    def run(language: str, code: str) -> str:
        for tool in TOOLS:
            if f"{tool} " in code and not shutil.which(tool, path=environment["PATH"]):
                pytest.skip(f"there is no {tool} on this machine; `make bin/{tool}` with Go")
        command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        ended = subprocess.run(
            [*command, code],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout

    return run


@pytest.mark.parametrize(
    ("language", "code"),
    EXAMPLES,
    ids=[f"{number}-{one[0]}" for number, one in enumerate(EXAMPLES)],
)
def test_an_example_works_as_it_is_written(
    ask: Callable[[str, str], str], language: str, code: str, tiny_package: Package
):
    told = ask(language, code)

    if "np.zeros" in code:
        assert re.fullmatch(r"\[[\d.]+ [\d.]+\]\n", told)
    else:
        golden = [one for one in tiny_package.golden() if one.format == "JPEG"][-1]
        best = max(golden.probabilities)
        label = tiny_package.labels[golden.probabilities.index(best)]
        # gRPC's JSON has texts in base64.
        assert label in told or base64.b64encode(label.encode()).decode() in told


def test_there_are_examples_of_every_kind():
    told = " ".join(code for _, code in EXAMPLES)

    assert {language for language, _ in EXAMPLES} == {"sh", "python"}
    assert all(tool in told for tool in TOOLS)
