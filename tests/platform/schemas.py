"""Objects against the schemas of their kinds, where somebody has them: ``WEATHER_SCHEMAS``."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator


def faults(obj: dict[str, Any]) -> list[str]:
    """What the API server would refuse about an object; skips the test without schemas."""
    checker = _validator(obj["apiVersion"], obj["kind"])
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(obj)]


def needed() -> None:
    """Skip the test, aloud, without schemas."""
    if not os.environ.get("WEATHER_SCHEMAS"):
        pytest.skip("WEATHER_SCHEMAS names no folder of JSON schemas: objects are not checked")


@cache
def _validator(api_version: str, kind: str) -> Draft7Validator:
    folder = Path(os.environ["WEATHER_SCHEMAS"])
    group, _, version = api_version.rpartition("/")
    prefix = f"{group.split('.')[0]}-" if group else ""
    core = folder / "core" / f"{kind.lower()}-{prefix}{version}.json"
    file = core if core.exists() else folder / "crds" / group / f"{kind.lower()}_{version}.json"
    return Draft7Validator(json.loads(file.read_text(encoding="utf-8")))
