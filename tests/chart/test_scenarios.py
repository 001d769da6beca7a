"""Each scenario of `ci/` as Helm and Kubernetes' own schemas see it."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.chart.rendering import CHART, SCENARIOS, helm, kinds, named, objects, text, tool
from tests.platform import schemas
from weathervane.cli import app


def test_helm_lints_the_chart():
    done = helm("lint", "--strict", "--quiet")

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_object_of_every_scenario_has_a_schema_and_fits_it(tmp_path: Path):
    schemas.needed()
    folder = os.environ["WEATHER_SCHEMAS"]
    number = 0
    for scenario in SCENARIOS:
        found = objects(scenario)
        template = named(found, "ConfigMap", "weathervane-template")["data"]["template.yaml"]
        # As a rollout completes it.
        inside = yaml.safe_load(template)
        inside["metadata"]["name"] = "weather"
        (tmp_path / f"{scenario}.yaml").write_text(
            f"{text(scenario)}\n---\n{yaml.safe_dump(inside)}"
        )
        number += len(found) + 1

    checked = subprocess.run(
        [
            *(tool("kubeconform"), "-strict", "-summary"),
            *("-schema-location", f"{folder}/core/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"),
            "-schema-location",
            f"{folder}/crds/{{{{.Group}}}}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"Valid: {number}, Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout


@pytest.mark.parametrize("scenario", ["default", "external"])
def test_rendering_twice_gives_the_same_bytes(scenario: str):
    assert text.__wrapped__(scenario) == text(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_secret_is_in_the_chart_nor_can_be_given_to_it(scenario: str):
    assert kinds(objects(scenario), "Secret") == []
    # Secrets are named. A value for one would have to be in the schema, which is closed.
    schema = (CHART / "values.schema.json").read_text()
    assert not re.search(
        r'"[^"]*(password|secretKey|accessKey|token|credential)[^"]*":', schema, re.I
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_chart_never_owns_what_a_rollout_changes(scenario: str):
    assert kinds(objects(scenario), "InferenceService") == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_everything_is_labelled_and_says_its_namespace(scenario: str):
    for one in objects(scenario):
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "weathervane", one["metadata"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert one["metadata"]["namespace"]


def immutable(found: tuple) -> dict[str, object]:
    """What Kubernetes refuses to change in what an upgrade patches."""
    kept: dict[str, object] = {}
    for one in found:
        if "helm.sh/hook" in one["metadata"].get("annotations", {}):
            continue  # made anew
        name = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] in ("Deployment", "StatefulSet"):
            kept[f"{name} selector"] = one["spec"]["selector"]
        if one["kind"] == "StatefulSet":
            kept[f"{name} service"] = one["spec"]["serviceName"]
            kept[f"{name} volumes"] = one["spec"]["volumeClaimTemplates"]
        if one["kind"] == "RoleBinding":
            kept[f"{name} role"] = one["roleRef"]
        if one["kind"] == "PersistentVolumeClaim":
            kept[name] = {k: v for k, v in one["spec"].items() if k != "resources"}
        assert one["kind"] != "Job", f"{name} cannot be changed: make it a hook"
    return kept


def test_the_next_version_of_the_chart_changes_nothing_that_cannot_be_changed(tmp_path: Path):
    later = tmp_path / "weathervane"
    subprocess.run(["cp", "-r", CHART, later], check=True)
    about = (later / "Chart.yaml").read_text()
    (later / "Chart.yaml").write_text(about.replace("ersion: 0.1.0", "ersion: 9.9.9"))

    for scenario in ("default", "bare"):
        rendered = text(scenario, chart=later)
        after = tuple(filter(None, yaml.load_all(rendered, yaml.CSafeLoader)))
        assert immutable(after) == immutable(objects(scenario))


def test_without_the_prometheus_operator_nothing_of_its_is_made():
    without = {one["kind"] for one in objects("default", monitored=False)}
    with_it = {one["kind"] for one in objects("default")}

    assert with_it - without == {"PodMonitor", "ServiceMonitor", "PrometheusRule"}


def test_the_volume_of_mlflow_stays_when_the_release_goes():
    volume = named(objects("default"), "PersistentVolumeClaim", "weathervane-mlflow")

    assert volume["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_doctor_finds_nothing_in_it(scenario: str, tmp_path: Path):
    (tmp_path / "rendered.yaml").write_text(text(scenario), encoding="utf-8")

    result = CliRunner().invoke(app, ["doctor", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert "nothing found" in result.output
