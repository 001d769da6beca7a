"""Each fault alone in otherwise sound manifests is found, and nothing is found without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from weathervane.cli import app
from weathervane.doctor.checks import examine
from weathervane.doctor.manifests import read_manifests

SOUND = Path(__file__).parent / "sound"
Objects = dict[str, dict[str, Any]]
OTHER = "b" * 64


def objects() -> Objects:
    """The sound manifests by their kinds."""
    documents = yaml.safe_load_all((SOUND / "service.yaml").read_text())
    return {document["kind"]: document for document in documents}


def rename(mapping: dict[str, Any], old: str, new: str) -> None:
    mapping[new] = mapping.pop(old)


FAULTS: dict[str, tuple[Callable[[Objects], Any], str]] = {
    "an S3 prefix that KServe ignores": (
        lambda o: rename(
            o["Secret"]["metadata"]["annotations"],
            "serving.kserve.io/s3-usehttps",
            "serving.kserve.org/s3-usehttps",
        ),
        "ignores the annotation serving.kserve.org/s3-usehttps",
    ),
    "a misspelt S3 setting": (
        lambda o: rename(
            o["Secret"]["metadata"]["annotations"],
            "serving.kserve.io/s3-usehttps",
            "serving.kserve.io/s3-use-https",
        ),
        "ignores the annotation serving.kserve.io/s3-use-https",
    ),
    "an endpoint with its scheme": (
        lambda o: o["Secret"]["metadata"]["annotations"].update(
            {"serving.kserve.io/s3-endpoint": "http://store:9000"}
        ),
        "has a scheme",
    ),
    "a service account without its secret": (
        lambda o: o["ServiceAccount"].pop("secrets"),
        "lists no secret",
    ),
    "a secret that is not there": (lambda o: o.pop("Secret"), "does not exist"),
    "no such service account": (lambda o: o.pop("ServiceAccount"), "no ServiceAccount"),
    "no service account at all": (
        lambda o: o["InferenceService"]["spec"]["predictor"].pop("serviceAccountName"),
        "without a serviceAccountName",
    ),
    "no mode": (
        lambda o: o["InferenceService"]["metadata"].pop("annotations"),
        "does not say its mode",
    ),
    "Knative's split in Standard mode": (
        lambda o: o["InferenceService"]["spec"]["predictor"].update(canaryTrafficPercent=10),
        "ignored in Standard mode",
    ),
    "a percent above 100": (
        lambda o: (
            o["InferenceService"]["metadata"]["annotations"].update(
                {"serving.kserve.io/deploymentMode": "Serverless"}
            ),
            o["InferenceService"]["spec"]["predictor"].update(canaryTrafficPercent=150),
        ),
        "Knative refuses it",
    ),
    "Standard's split in Knative mode": (
        lambda o: (
            o["InferenceService"]["metadata"]["annotations"].update(
                {"serving.kserve.io/deploymentMode": "Knative"}
            ),
            o["InferenceService"]["spec"].update(canary=[{"trafficPercent": 10}]),
        ),
        "refused in Knative mode",
    ),
    "a gateway that is switched off": (
        lambda o: o["ConfigMap"]["data"].update(ingress='{"enableGatewayApi": false}'),
        "enableGatewayApi is off",
    ),
    "a metric that was renamed": (
        lambda o: o["PrometheusRule"]["spec"]["groups"][0]["rules"][0].update(
            expr="rate(revision_request_count[5m])"
        ),
        "since 1.19",
    ),
    "no seccomp profile": (
        lambda o: o["InferenceService"]["spec"]["predictor"].pop("securityContext"),
        "seccomp",
    ),
    "scraping that counts as traffic": (
        lambda o: o["InferenceService"]["metadata"]["annotations"].update(
            {
                "serving.kserve.io/deploymentMode": "Knative",
                "serving.kserve.io/enable-prometheus-scraping": "true",
            }
        ),
        "keep old revisions up",
    ),
    "a digest that does not match": (
        lambda o: o["InferenceService"]["spec"]["predictor"]["model"].update(
            args=["--digest", OTHER]
        ),
        "--digest says bbbbbbbbbbbb",
    ),
    "a right that is missing": (
        lambda o: o["Role"]["rules"][0].update(verbs=["get", "delete"]),
        "does not allow to patch inferenceservices.serving.kserve.io",
    ),
}


def write(folder: Path, every: Objects) -> Path:
    file = folder / "service.yaml"
    file.write_text(yaml.safe_dump_all(every.values()))
    return folder


def test_sound_manifests_have_no_findings():
    assert examine(read_manifests(SOUND)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_alone_with_its_cure(fault, tmp_path):
    break_it, said = FAULTS[fault]
    every = objects()
    break_it(every)

    findings = examine(read_manifests(write(tmp_path, every)))

    assert [said in finding.what for finding in findings] == [True], findings
    assert findings[0].cure
    assert findings[0].where.startswith("service.yaml: ")


def test_the_command_says_what_to_do_and_leaves_with_2(tmp_path):
    every = objects()
    every["InferenceService"]["spec"]["predictor"]["canaryTrafficPercent"] = 10

    result = CliRunner().invoke(app, ["doctor", str(write(tmp_path, every))])

    assert result.exit_code == 2
    assert "InferenceService weather" in result.output
    assert "use Knative mode" in result.output


def test_the_command_leaves_with_0_when_all_is_well():
    result = CliRunner().invoke(app, ["doctor", str(SOUND)])

    assert result.exit_code == 0
    assert "nothing found" in result.output
