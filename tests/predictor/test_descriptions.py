"""Schemathesis finds nothing: neither against the published V2 description nor against ours.

It asks what the descriptions allow, what they forbid, and what lies on their bounds, and compares
every answer with what they promise.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.predictor.conftest import ADMIN_KEY, Guarded
from tests.predictor.descriptions import repaired
from tests.predictor.running import Running
from weathervane.registry.package import Package

pytestmark = pytest.mark.process

# Cases an operation; more with SCHEMATHESIS_EXAMPLES.
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "10")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def explore(description: dict[str, Any], address: str, folder: Path, *options: str) -> None:
    """Run it; fails with what it says when it finds something."""
    file = folder / "description.json"
    file.write_text(json.dumps(description))
    ended = subprocess.run(
        [
            *(str(SCHEMATHESIS), "run", str(file), "--url", address),
            *("--max-examples", EXAMPLES, "--seed", "7", "--no-color", "--continue-on-failure"),
            # Not the stateful phase: no answer depends on an earlier request.
            *("--phases", "examples,coverage,fuzzing"),
            # A description cannot say what a picture is: what it allows may well be refused.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--suppress-health-check", "all", "--warnings", "off", *options),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_against_the_published_description(
    predictor: Running, tiny_package: Package, tmp_path: Path
):
    explore(repaired("weather", tiny_package.digest), predictor.rest, tmp_path)

    assert httpx.get(predictor.rest + "/v2/health/ready").status_code == 200


def test_against_our_own_description(guarded: Guarded, tmp_path: Path):
    key = {"authorization": f"Bearer {ADMIN_KEY}"}
    address = guarded.server.rest
    described = httpx.get(address + "/openapi.json", headers=key).json()

    explore(described, address, tmp_path, "--header", f"Authorization: {key['authorization']}")

    assert httpx.get(address + "/v2/health/ready").status_code == 200
