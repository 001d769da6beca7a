"""Faults of manifests, each alone in otherwise sound ones, and what the doctor says of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

SOUND = Path(__file__).parent / "sound"
Objects = dict[str, dict[str, Any]]
OTHER = "b" * 64


def objects() -> Objects:
    """The sound manifests by their kinds, and by their names where there are several."""
    every: Objects = {}
    for document in yaml.safe_load_all((SOUND / "service.yaml").read_text()):
        kind = document["kind"]
        every[f"{kind} {document['metadata']['name']}" if kind in every else kind] = document
    return every


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
    "a right that nothing needs": (
        lambda o: o["Role"]["rules"].append(
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
        ),
        "allows to get secrets, which nothing of ours does",
    ),
    "a right in KServe's namespace that is missing": (
        lambda o: o["Role weathervane-rollout-models"]["rules"].pop(),
        "does not allow to get deployments.apps",
    ),
    "a KServe that accepts a canary and sends it nothing": (
        lambda o: o["Deployment"]["spec"]["template"]["spec"]["containers"][0].update(
            image="kserve/kserve-controller:v0.20.0"
        ),
        "KServe 0.20 accepts a canary in Standard mode and sends it no traffic",
    ),
    "a KServe whose version cannot be told": (
        lambda o: o["Deployment"]["spec"]["template"]["spec"]["containers"][0].update(
            image="kserve/kserve-controller:latest"
        ),
        "does not tell KServe's version",
    ),
    "a template without a seccomp profile": (
        lambda o: o["ConfigMap weathervane-template"]["data"].update(
            {
                "template.yaml": o["ConfigMap weathervane-template"]["data"][
                    "template.yaml"
                ].replace("RuntimeDefault", "Unconfined")
            }
        ),
        "seccomp",
    ),
}
