"""The image of pipelines: its file says what it should, and holds what it copies."""

import re
import subprocess
import sys
from pathlib import Path

from tests.chart.rendering import ROOT, objects, pods

FILE = ROOT / "pipelines" / "Dockerfile"
DOCKERFILE = FILE.read_text()


def test_the_dockerfile_has_nothing_to_complain_of():
    hadolint = Path(sys.executable).with_name("hadolint")

    subprocess.run([hadolint, "--strict-labels", FILE], check=True)


def test_its_base_is_pinned_and_its_user_is_the_one_of_the_pods():
    bases = re.findall(r"^ARG PYTHON=(\S+)", DOCKERFILE, re.MULTILINE)
    users = {pod["securityContext"]["runAsUser"] for _, pod in pods(objects("default"))}

    assert re.search(r":3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}$", bases[0])
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == [f"{u}:{u}" for u in users]


def test_both_images_have_one_base():
    other = (ROOT / "predictor" / "Dockerfile").read_text()
    base = re.compile(r"^ARG PYTHON=(\S+)", re.MULTILINE)

    assert base.findall(DOCKERFILE) == base.findall(other)


def test_every_file_that_it_copies_is_there_and_let_through():
    ignore = FILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)

    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignore


def test_its_commands_are_those_that_the_chart_runs():
    commands = {pod["containers"][0]["command"][0] for _, pod in pods(objects("default"))}

    assert commands == {"python", "minio", "/opt/predictor/bin/python"}
    # `python` is the environment's own.
    assert "PATH=/opt/weathervane/bin:" in DOCKERFILE
