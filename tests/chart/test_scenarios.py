"""Each scenario of `ci/` as Helm and Kubernetes' own schemas see it."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.chart.rendering import CHART, SCENARIOS, helm, kinds, named, objects, text, tool
from tests.platform import schemas
from weathervane.cli import app

# Schemas of custom resources, made from the CRDs themselves; kubeconform knows Kubernetes' own.
PUBLIC = "https://raw.githubusercontent.com/datreeio/CRDs-catalog/main"
FIRST_VERSION = yaml.safe_load(Path(__file__).with_name("first_version.yaml").read_text())
CUSTOM = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_helm_lints_the_chart(scenario: str):
    values = str(CHART / "ci" / f"{scenario}-values.yaml")

    done = helm("lint", "--strict", "--quiet", "--values", values)

    assert done.returncode == 0, done.stdout + done.stderr


def schema_locations() -> tuple[str, ...]:
    """Of kubeconform: a folder's schemas, or, where `make check-chart` has none, public ones."""
    if os.environ.get("PUBLIC_SCHEMAS") and not os.environ.get("WEATHER_SCHEMAS"):
        return "default", f"{PUBLIC}/{CUSTOM}"
    schemas.needed()
    folder = os.environ["WEATHER_SCHEMAS"]
    return (
        folder + "/core/{{.ResourceKind}}{{.KindSuffix}}.json",
        f"{folder}/crds/{CUSTOM}",
    )


def test_every_object_of_every_scenario_has_a_schema_and_fits_it(tmp_path: Path):
    locations = schema_locations()
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
            *(word for one in locations for word in ("-schema-location", one)),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"Valid: {number}, Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rendering_twice_gives_the_same_bytes(scenario: str):
    assert text.__wrapped__(scenario) == text(scenario)


def test_a_namespace_and_a_release_of_digits_stay_names():
    done = helm("template", "--namespace", "007", release="1e3")

    found = [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]
    assert {one["metadata"]["namespace"] for one in found} == {"007"}
    assert {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in found} == {"1e3"}
    for one in kinds(tuple(found), "RoleBinding"):
        assert {subject["namespace"] for subject in one["subjects"]} == {"007"}


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


def immutable(found: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """What Kubernetes refuses to change in what an upgrade patches."""
    kept: dict[str, Any] = {}
    for one in found:
        if "helm.sh/hook" in one["metadata"].get("annotations", {}):
            continue  # made anew
        name, spec = f"{one['kind']} {one['metadata']['name']}", one.get("spec") or {}
        if one["kind"] == "Deployment":
            kept[name] = {"selector": spec["selector"]}
        elif one["kind"] == "StatefulSet":
            # pkg/apis/apps/validation of Kubernetes: all but what is named here.
            free = ("replicas", "ordinals", "template", "updateStrategy", "minReadySeconds")
            kept[name] = {key: value for key, value in spec.items() if key not in free}
        elif one["kind"] == "RoleBinding":
            kept[name] = one["roleRef"]
        elif one["kind"] == "PersistentVolumeClaim":
            kept[name] = {key: value for key, value in spec.items() if key != "resources"}
        elif one["kind"] == "Service":
            kept[name] = {"clusterIP": spec.get("clusterIP")}
        assert one["kind"] != "Job", f"{name} cannot be changed: make it a hook"
    return kept


@pytest.mark.parametrize("scenario", FIRST_VERSION)
def test_an_upgrade_from_the_first_version_changes_nothing_that_cannot_be_changed(scenario: str):
    """first_version.yaml is what `immutable` found in version 0.1.0; nothing rewrites it."""
    first = FIRST_VERSION[scenario]

    now = immutable(objects(scenario))

    # Something new may come; what is there would be thrown away, or refused.
    assert {name: now.get(name) for name in first} == first


def test_a_version_of_the_chart_is_in_nothing_that_cannot_be_changed(tmp_path: Path):
    later = tmp_path / "weathervane"
    subprocess.run(["cp", "-r", CHART, later], check=True)
    about = (later / "Chart.yaml").read_text()
    (later / "Chart.yaml").write_text(re.sub(r"ersion: \d.*", "ersion: 9.9.9", about))

    rendered = text("default", chart=later)

    after = tuple(filter(None, yaml.load_all(rendered, yaml.CSafeLoader)))
    assert immutable(after) == immutable(objects("default"))


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
