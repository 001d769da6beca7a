"""The chart as Helm renders it, once for each set of values.

In: a scenario of `helm/weathervane/ci/`, or values. Out: text, objects; or Helm's own refusal.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "weathervane"
SCENARIOS = tuple(sorted(path.stem.removesuffix("-values") for path in CHART.glob("ci/*.yaml")))
NAMESPACE = "models"
MONITORED = "monitoring.coreos.com/v1"


def tool(name: str) -> str:
    """A program out of ``bin/`` or from the PATH; skips the test, aloud, without it."""
    here = ROOT / "bin" / name
    found = str(here) if here.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is neither in bin/ nor on the PATH: `make bin/{name}` builds it")
    return found


def helm(
    *arguments: str, chart: Path = CHART, release: str = "weathervane"
) -> subprocess.CompletedProcess[str]:
    """Run Helm with a command; it reaches no cluster and reads no settings of this user."""
    command, *options = arguments
    named = [release] if command in ("template", "install") else []
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": os.devnull, "HOME": "/nonexistent"}
    return subprocess.run(
        [tool("helm"), command, *named, str(chart), *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def text(scenario: str, *sets: str, monitored: bool = True, chart: Path = CHART) -> str:
    """What a scenario renders to; ``sets`` are values as ``--set`` takes them."""
    options = ["--namespace", NAMESPACE, "--values", str(CHART / "ci" / f"{scenario}-values.yaml")]
    options += ["--api-versions", MONITORED] if monitored else []
    options += [word for one in sets for word in ("--set-json", one)]
    done = helm("template", *options, chart=chart)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def objects(scenario: str, *sets: str, monitored: bool = True) -> tuple[dict[str, Any], ...]:
    """The objects of a scenario, for reading only: they are shared."""
    return tuple(
        filter(None, yaml.load_all(text(scenario, *sets, monitored=monitored), yaml.CSafeLoader))
    )


def refusal(*sets: str) -> str:
    """What Helm says to values that it does not take."""
    done = helm("template", *(word for one in sets for word in ("--set-json", one)))
    assert done.returncode != 0, f"{sets} were taken"
    return done.stderr


def named(found: tuple[dict[str, Any], ...], kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name."""
    (one,) = (o for o in found if o["kind"] == kind and o["metadata"]["name"] == name)
    return one


def kinds(found: tuple[dict[str, Any], ...], kind: str) -> list[dict[str, Any]]:
    """The objects of a kind."""
    return [one for one in found if one["kind"] == kind]


def pods(found: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every pod that the objects lead to, with a name for messages."""
    for one in found:
        where = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] == "Pod":
            yield where, one["spec"]
        elif "template" in (one.get("spec") or {}):
            yield where, one["spec"]["template"]["spec"]
