"""What each value changes in what is rendered: these places, to this, and no other place.

Names are made of digits where the schema allows it: what is not quoted would become a number.
"""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml

from tests.chart.changes import ABSENT, THERE, changes
from tests.chart.rendering import CHART, text
from tests.chart.test_values import leaves

DIGEST = f"sha256:{'a' * 64}"
MINIO = "StatefulSet models/weathervane-store: spec.template.spec.containers.minio"
MLFLOW = "Deployment models/weathervane-mlflow: spec.template.spec.containers.mlflow"
SERVES = "ServingRuntime models/weathervane-HASH: spec.containers.kserve-container"
TEMPLATE = "ConfigMap models/weathervane-template: data.template.yaml"
# Both Jobs are told of the site.
SITE = "Job models/weathervane-*: spec.template.spec.containers.install.args.1"
JOBS = "Job models/weathervane-*: spec.template.spec.containers.install"
NAMESPACE_LABEL = "namespaceSelector.matchLabels.kubernetes.io/metadata.name"
EXTERNAL_STORE = {
    "store.minio.enabled": False,
    "store.external.endpoint": "https://a.example.org",
    "store.external.secret": "mine",
}
EXTERNAL_MLFLOW = {"mlflow.enabled": False, "mlflow.external.uri": "https://a.example.org"}
ELSEWHERE = {"pipelines.namespace": "kubeflow"}

Seen = dict[str, list[Any]]


def resources(part: str, where: str) -> list[tuple[str, object, dict[str, object], Seen]]:
    """The rows of a container's resources, which are taken as they are."""
    return [
        (
            f"{part}.resources.{kind}.{what}",
            amount,
            {},
            {f"{where}.resources.{kind}.{what}": [amount]},
        )
        for kind in ("requests", "limits")
        for what, amount in (("cpu", "7"), ("memory", "7Gi"))
    ]


# A value, what it becomes, other values that it takes for that, and what is seen: for each pattern
# of places what stands there then, in the order of their names.
ROWS: list[tuple[str, object, dict[str, object], Seen]] = [
    # images
    (
        *("images.predictor.repository", "r.example.org/p", {}),
        {
            f"{SERVES}.image": ["r.example.org/p:0.1.0"],
            "Pod *.image": ["r.example.org/p:0.1.0"],
        },
    ),
    (
        *("images.predictor.tag", "9", {}),
        {
            f"{SERVES}.image": ["weathervane-predictor:9"],
            "Pod *.image": ["weathervane-predictor:9"],
        },
    ),
    (
        *("images.predictor.digest", DIGEST, {"images.predictor.tag": "9"}),
        {
            f"{SERVES}.image": [f"weathervane-predictor@{DIGEST}"],
            "Pod *.image": [f"weathervane-predictor@{DIGEST}"],
        },
    ),
    (
        *("images.pipeline.repository", "r.example.org/p", {}),
        {
            f"{JOBS}.image": 2 * ["r.example.org/p:0.1.0"],
            f"{MLFLOW}.image": ["r.example.org/p:0.1.0"],
        },
    ),
    (
        *("images.pipeline.tag", "9", {}),
        {
            f"{JOBS}.image": 2 * ["weathervane-pipeline:9"],
            f"{MLFLOW}.image": ["weathervane-pipeline:9"],
        },
    ),
    (
        *("images.pipeline.digest", DIGEST, {"images.pipeline.tag": "9"}),
        {
            f"{JOBS}.image": 2 * [f"weathervane-pipeline@{DIGEST}"],
            f"{MLFLOW}.image": [f"weathervane-pipeline@{DIGEST}"],
        },
    ),
    (
        *("images.minio.repository", "r.example.org/m", {"images.minio.digest": DIGEST}),
        {f"{MINIO}.image": [f"r.example.org/m@{DIGEST}"]},
    ),
    (
        *("images.minio.tag", "9", {"images.minio.digest": ""}),
        {f"{MINIO}.image": ["quay.io/minio/minio:9"]},
    ),
    (
        *("images.minio.digest", DIGEST, {}),
        {f"{MINIO}.image": [f"quay.io/minio/minio@{DIGEST}"]},
    ),
    ("images.pullPolicy", "Always", {}, {"*.containers.*.imagePullPolicy": 6 * ["Always"]}),
    (
        *("images.pullSecrets", ["007"], {}),
        {
            "ServiceAccount *: imagePullSecrets.0.name": 2 * ["007"],
            "*spec.imagePullSecrets.0.name": 5 * ["007"],
        },
    ),
    # what is served
    (
        *("mode", "Standard", {}),
        {
            f"{TEMPLATE}.metadata.annotations.serving.kserve.io/deploymentMode": ["Standard"],
            f"{SERVES}.env.WEATHERVANE_REVISION.*": [
                "WEATHERVANE_REVISION",
                "metadata.labels['pod-template-hash']",
            ],
            "Role kserve/weathervane-rollout-models": [THERE],
            "RoleBinding kserve/weathervane-rollout-models": [THERE],
        },
    ),
    (
        *("services", ["clouds", "x1"], {}),
        {
            f"{SITE}.services.?": 2 * ["clouds", "x1"],
            "Role models/weathervane-ask: rules.1.resourceNames.?": [
                *("weathervane-clouds", "weathervane-x1"),
            ],
            "Role models/weathervane-read: rules.0.resourceNames.?": [
                *("weathervane-clouds", "weathervane-x1"),
            ],
        },
    ),
    ("predictor.minReplicas", 3, {}, {f"{TEMPLATE}.spec.predictor.minReplicas": [3]}),
    ("predictor.maxReplicas", 7, {}, {f"{TEMPLATE}.spec.predictor.maxReplicas": [7]}),
    ("predictor.maxReplicas", 0, {}, {f"{TEMPLATE}.spec.predictor.maxReplicas": [ABSENT]}),
    (
        *("predictor.extraArgs", ["--drain-seconds=10", "--x=yes: no"], {}),
        {f"{TEMPLATE}.spec.predictor.model.args.?": ["--drain-seconds=10", "--x=yes: no"]},
    ),
    ("predictor.maxUnavailable", 2, {}, {"PodDisruptionBudget *: spec.maxUnavailable": [2]}),
    *resources("predictor", SERVES),
    # object store
    (
        *("store.bucket", "123", {}),
        {
            f"{SITE}.bucket": 2 * ["123"],
            f"{MLFLOW}.args.*": ["--artifacts-destination=s3://123/mlflow"],
        },
    ),
    (
        *("store.region", "007", {}),
        {
            f"{SITE}.region": 2 * ["007"],
            f"{MINIO}.env.MINIO_REGION.value": ["007"],
            f"{MLFLOW}.env.AWS_DEFAULT_REGION.value": ["007"],
        },
    ),
    (
        *("store.minio.enabled", False, EXTERNAL_STORE),
        {
            "StatefulSet models/weathervane-store": [ABSENT],
            "Service* models/weathervane-store": 3 * [ABSENT],
            "NetworkPolicy models/weathervane-*store": 2 * [ABSENT],
            # Its root and its users are nobody's any more; whose keys they are is read.
            f"{JOBS}.env.*_ACCESS_KEY.*": 12 * [ABSENT],
            f"{JOBS}.env.*_SECRET_KEY.*": 12 * [ABSENT],
            f"{JOBS}.env.MINIO_ROOT_*": 6 * [ABSENT],
            f"{SITE}.own_store": 2 * [False],
            f"{SITE}.store_secret": 2 * ["mine"],
            f"{SITE}.endpoint": 2 * ["https://a.example.org"],
            f"{MLFLOW}.env.MLFLOW_S3_ENDPOINT_URL.value": ["https://a.example.org"],
            "Role models/weathervane-install: rules.2.*": ["", "mine", "secrets", "get"],
        },
    ),
    (
        *("store.external.endpoint", "http://b.example.org:9000", EXTERNAL_STORE),
        {
            f"{SITE}.endpoint": 2 * ["http://b.example.org:9000"],
            f"{MLFLOW}.env.MLFLOW_S3_ENDPOINT_URL.value": ["http://b.example.org:9000"],
        },
    ),
    (
        *("store.external.secret", "007", EXTERNAL_STORE),
        {
            f"{SITE}.store_secret": 2 * ["007"],
            "Role models/weathervane-install: rules.2.resourceNames.0": ["007"],
        },
    ),
    (
        *("store.minio.size", "7Gi", {}),
        {"StatefulSet *: spec.volumeClaimTemplates.0.spec.resources.requests.storage": ["7Gi"]},
    ),
    (
        *("store.minio.storageClass", "007", {}),
        {"StatefulSet *: spec.volumeClaimTemplates.0.spec.storageClassName": ["007"]},
    ),
    *resources("store.minio", MINIO),
    # MLflow
    (
        *("mlflow.enabled", False, EXTERNAL_MLFLOW),
        {
            "* models/weathervane-mlflow": 5 * [ABSENT],
            "NetworkPolicy models/weathervane-to-mlflow": [ABSENT],
            f"{JOBS}.env.*": 24 * [ABSENT],
            f"{SITE}.own_tracking": 2 * [False],
            f"{SITE}.tracking_secret": 2 * [""],
            f"{SITE}.tracking_uri": 2 * ["https://a.example.org"],
        },
    ),
    (
        *("mlflow.external.uri", "https://b.example.org", EXTERNAL_MLFLOW),
        {f"{SITE}.tracking_uri": 2 * ["https://b.example.org"]},
    ),
    (
        *("mlflow.external.secret", "007", EXTERNAL_MLFLOW),
        {
            f"{SITE}.tracking_secret": 2 * ["007"],
            "Role models/weathervane-install: rules.2.*": ["", "007", "secrets", "get"],
        },
    ),
    (
        *("mlflow.database.secret", "007", {}),
        {
            f"{SITE}.database_secret": 2 * ["007"],
            "PersistentVolumeClaim models/weathervane-mlflow": [ABSENT],
            "Deployment *: spec.template.spec.volumes.data.*": [{}, ABSENT],
            "Role models/weathervane-install: rules.2.*": ["", "007", "secrets", "get"],
        },
    ),
    (
        *("mlflow.size", "7Gi", {}),
        {"PersistentVolumeClaim *: spec.resources.requests.storage": ["7Gi"]},
    ),
    (
        *("mlflow.storageClass", "007", {}),
        {"PersistentVolumeClaim *: spec.storageClassName": ["007"]},
    ),
    (
        *("mlflow.allowedHosts", ["m.example.org"], {}),
        {
            f"{MLFLOW}.args.*": [
                "--allowed-hosts=weathervane-mlflow,weathervane-mlflow:5000,"
                "weathervane-mlflow.models.svc,weathervane-mlflow.models.svc:5000,"
                "localhost:*,127.0.0.1:*,m.example.org"
            ]
        },
    ),
    *resources("mlflow", MLFLOW),
    # pipelines
    (
        *("pipelines.namespace", "007", {}),
        {
            f"{SITE}.pipelines_namespace": 2 * ["007"],
            "Role* 007/weathervane-install": 2 * [THERE],
            "ServiceAccount */weathervane-pipeline": [THERE, ABSENT],
            "RoleBinding models/*: subjects.weathervane-pipeline.namespace": 3 * ["007"],
            f"NetworkPolicy models/weathervane-mlflow: *.{NAMESPACE_LABEL}": ["007"],
            # The one for monitoring comes after it.
            f"NetworkPolicy models/weathervane-store: *.{NAMESPACE_LABEL}": ["007", "monitoring"],
        },
    ),
    (
        *("pipelines.serviceAccount", "007", ELSEWHERE),
        {
            "ServiceAccount kubeflow/weathervane-pipeline": [ABSENT],
            "RoleBinding models/*: subjects.weathervane-pipeline.*": 9 * [ABSENT],
            "RoleBinding models/*: subjects.007.*": 3 * ["ServiceAccount", "007", "kubeflow"],
        },
    ),
    (
        *("tuning.database.secret", "007", {}),
        {
            f"{SITE}.studies_secret": 2 * ["007"],
            "Role models/weathervane-install: rules.2.*": ["", "007", "secrets", "get"],
        },
    ),
    (
        *("ci.enabled", False, {}),
        {
            "ServiceAccount models/weathervane-ci": [ABSENT],
            "RoleBinding models/*: subjects.weathervane-ci.*": 6 * [ABSENT],
        },
    ),
    # network
    ("networkPolicy.enabled", False, {}, {"NetworkPolicy *": 9 * [ABSENT]}),
    (
        *("networkPolicy.wholeNamespace", False, {}),
        {"NetworkPolicy */weathervane-default-deny: spec.podSelector*": [ABSENT, "weathervane"]},
    ),
    (
        *("networkPolicy.gatewayNamespaces", ["007"], {}),
        {f"NetworkPolicy */weathervane-predictor: *.{NAMESPACE_LABEL}": ["007", ABSENT]},
    ),
    (
        *("networkPolicy.monitoringNamespaces", ["007"], {}),
        {
            f"NetworkPolicy */weathervane-predictor: *.{NAMESPACE_LABEL}": ["007"],
            f"NetworkPolicy */weathervane-store: *.{NAMESPACE_LABEL}": ["007"],
        },
    ),
    (
        *("networkPolicy.mlflowNamespaces", ["007"], {}),
        {f"NetworkPolicy */weathervane-mlflow: *.{NAMESPACE_LABEL}": ["007"]},
    ),
    (
        *("networkPolicy.apiServerPorts", [16443], {}),
        {"NetworkPolicy */weathervane-to-api-server: spec.egress.0.*": [16443, ABSENT, ABSENT]},
    ),
    (
        *("networkPolicy.outside", [{"cidr": "203.0.113.0/24", "ports": [443]}], {}),
        {"NetworkPolicy models/weathervane-outside": [THERE]},
    ),
    # monitoring
    (
        *("monitoring.enabled", False, {}),
        {
            "PodMonitor models/weathervane-predictor": [ABSENT],
            "ServiceMonitor models/weathervane-store": [ABSENT],
            "PrometheusRule models/weathervane": [ABSENT],
            "ConfigMap models/weathervane-dashboard": [ABSENT],
        },
    ),
    (
        *("monitoring.labels", {"release": "007"}, {}),
        {
            "PodMonitor *: metadata.labels.release": ["007"],
            "ServiceMonitor *: metadata.labels.release": ["007"],
            "PrometheusRule *: metadata.labels.release": ["007"],
        },
    ),
    (
        *("monitoring.dashboardLabels", {"grafana_dashboard": "2"}, {}),
        {"ConfigMap */weathervane-dashboard: metadata.labels.grafana_dashboard": ["2"]},
    ),
    *(
        (
            *(f"monitoring.alerts.{name}", 0.123, {}),
            {f"PrometheusRule *.rules.{number}.expr.*": ["> 0.123"]},
        )
        for number, name in enumerate(("failedShare", "p95Seconds", "outOfDistributionShare"))
    ),
    # pods
    ("nodeSelector", {"disk": "007"}, {}, {"*spec.nodeSelector.disk": 5 * ["007"]}),
    (
        *("tolerations", [{"key": "007", "operator": "Exists"}], {}),
        {"*spec.tolerations.0.*": 5 * ["007", "Exists"]},
    ),
]


@pytest.mark.parametrize(
    ("value", "new", "others", "seen"), ROWS, ids=[f"{row[0]}={row[1]}"[:60] for row in ROWS]
)
def test_a_value_changes_these_places_and_no_other(
    value: str, new: object, others: dict[str, object], seen: Seen
):
    # What turns a part off is told at once with what takes the part's place.
    before = {} if others.get(value) == new else others
    after = {**others, value: new}
    found = changes(text("default", *_sets(before)), text("default", *_sets(after)))

    claimed = {
        pattern: [found[place] for place in sorted(found) if fnmatchcase(place, pattern)]
        for pattern in seen
    }
    assert claimed == seen
    stray = [place for place in found if not any(fnmatchcase(place, one) for one in seen)]
    assert stray == []


def _sets(values: dict[str, object]) -> tuple[str, ...]:
    return tuple(f"{name}={json.dumps(value)}" for name, value in values.items())


def test_every_value_has_its_row():
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert {row[0] for row in ROWS} == {leaf.removeprefix(".") for leaf in leaves(values)}
