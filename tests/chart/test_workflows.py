"""The workflows: pinned, with the least rights, bounded in time, and made of make targets."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_action_is_a_commit_with_its_tag_beside_it(file: Path):
    used = re.findall(r"uses: (.*)", file.read_text())

    assert used
    for one in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+", one), one


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_is_allowed_unless_a_job_asks_for_it_and_no_job_runs_for_ever(file: Path):
    workflow = read(file)

    assert workflow["permissions"] == {}
    assert "group" in workflow["concurrency"]
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert job["timeout-minutes"] <= 350, name
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False, name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_others_can_write_is_never_pasted_into_a_script(file: Path):
    for job in read(file)["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), step


def test_every_make_target_that_is_called_is_there():
    called = {
        target
        for file in FILES
        for line in re.findall(r"\bmake ([a-z0-9 -]+?)(?: >> .*)?$", file.read_text(), re.MULTILINE)
        for target in line.split()
    }

    assert {
        "check",
        "test",
        "e2e",
        "canary",
        "check-api",
        "scan-code",
        "audit",
        "release-chart",
    } <= called
    assert called <= TARGETS


def test_only_a_release_writes_packages_and_signs():
    asked = {
        (file.stem, right)
        for file in FILES
        for job in read(file)["jobs"].values()
        for right, level in job["permissions"].items()
        if level == "write"
    }

    assert asked == {("release", "packages"), ("release", "id-token")}
