"""What a rollout finds in the namespace is what it needs, and what the predictor takes."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from predictor.__main__ import parse
from tests.chart.rendering import ROOT, SCENARIOS, kinds, named, objects
from weathervane.doctor.checks import examine
from weathervane.doctor.manifests import Manifest, Manifests
from weathervane.install.policies import ROLES
from weathervane.install.secrets import Secret, wanted
from weathervane.install.site import read_site
from weathervane.rollout.kserve.job import TEMPLATE, TEMPLATE_KEY, Driver
from weathervane.rollout.kserve.template import Template, read_template
from weathervane.rollout.port import Release

DIGEST = "a" * 64
RELEASE = Release(digest=DIGEST, uri=f"s3://weathervane/models/weather/{DIGEST}")


def template(found: tuple[dict[str, Any], ...]) -> Template:
    text = named(found, "ConfigMap", TEMPLATE)["data"][TEMPLATE_KEY]
    return read_template(yaml.safe_load(text), TEMPLATE)


def secrets(found: tuple[dict[str, Any], ...]) -> list[Secret]:
    """What the installation's Job would make, where yours are what they should be."""
    job = named(found, "Job", "weathervane-credentials")
    site = read_site(job["spec"]["template"]["spec"]["containers"][0]["args"][1])
    keys = {f"{role}-{part}-key": "x" for role in ROLES for part in ("access", "secret")}
    given = {site.store_secret: keys, site.tracking_secret: {}}
    given[site.database_secret] = {"uri": "x", "auth-uri": "x"}
    given[site.studies_secret] = {"uri": "x"}
    return wanted(site, {(site.namespace, name): values for name, values in given.items()})


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_rollout_takes_the_template_and_the_predictor_its_arguments(scenario: str):
    found = objects(scenario)
    manifest = template(found).manifest(RELEASE)
    (runtime,) = kinds(found, "ServingRuntime")
    (container,) = runtime["spec"]["containers"]
    given = [one.replace("{{.Name}}", "weather") for one in container["args"]]

    config = parse([*given, *manifest.predictor["model"]["args"], "--revision=r1"], "predictor")

    assert (config.digest, config.name) == (DIGEST, "weather")
    assert manifest.predictor["model"]["runtime"] == runtime["metadata"]["name"]


def test_the_runtime_is_the_predictors_own():
    ours = deepcopy(kinds(objects("default"), "ServingRuntime")[0]["spec"])
    its = yaml.safe_load((ROOT / "predictor" / "serving-runtime.yaml").read_text())["spec"]
    for spec in (ours, its):
        spec["containers"][0].pop("image")
        spec["containers"][0].pop("imagePullPolicy", None)

    assert ours == its


def test_a_changed_runtime_is_another_one_so_that_no_upgrade_changes_what_serves():
    (before,) = kinds(objects("default"), "ServingRuntime")
    after = objects("default", 'images.predictor.tag="9.9.9"')
    (changed,) = kinds(after, "ServingRuntime")
    (elsewhere,) = kinds(objects("default", "ci.enabled=false"), "ServingRuntime")

    assert before["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert changed["metadata"]["name"] != before["metadata"]["name"]
    assert elsewhere["metadata"]["name"] == before["metadata"]["name"]
    assert template(after).predictor["model"]["runtime"] == changed["metadata"]["name"]


def test_in_standard_mode_a_pod_is_told_its_revision_by_its_deployments_label():
    (container,) = kinds(objects("standard"), "ServingRuntime")[0]["spec"]["containers"]

    (variable,) = container["env"]
    assert variable["name"] == "WEATHERVANE_REVISION"
    assert "pod-template-hash" in variable["valueFrom"]["fieldRef"]["fieldPath"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_the_rollouts_job_names_is_there(scenario: str):
    found = objects(scenario)
    driver = Driver(image="any")

    assert named(found, "ServiceAccount", driver.service_account)
    assert named(found, "ConfigMap", driver.template)
    assert driver.settings in {secret.name for secret in secrets(found)}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_doctor_finds_nothing_wrong_with_what_will_run(scenario: str):
    found = objects(scenario)
    manifest = template(found).manifest(RELEASE)
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "weather", "annotations": manifest.annotations},
        "spec": {"predictor": manifest.predictor},
    }
    made = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": one.name, "annotations": dict(one.annotations)},
        }
        for one in secrets(found)
    ]

    every = [Manifest(where="chart", body=one) for one in (*found, service, *made)]

    assert [str(finding) for finding in examine(Manifests(every))] == []


def test_the_self_test_runs_what_is_in_the_image():
    (pod,) = kinds(objects("default"), "Pod")
    (container,) = pod["spec"]["containers"]
    dockerfile = Path(ROOT, "predictor", "Dockerfile").read_text()

    assert container["command"][1:] == ["-m", "predictor.self_test"]
    assert f'ENTRYPOINT ["{container["command"][0]}"' in dockerfile
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
