"""Every value has its effect, and a wrong one is refused with its name."""

import json
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, NAMESPACE, kinds, named, objects, pods, refusal
from weathervane.install.site import read_site


def site(found: tuple[dict[str, Any], ...]):
    job = named(found, "Job", "weathervane-credentials")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return read_site(container["args"][1])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('mode="Serverless"', "at '/mode': value must be one of 'Knative', 'Standard'"),
        ("predictor.minReplicas=0", "at '/predictor/minReplicas': minimum: got 0, want 1"),
        ('stroe={"bucket":"x"}', "additional properties 'stroe' not allowed"),
        ('store.minio.sise="1Gi"', "at '/store/minio': additional properties 'sise' not allowed"),
        ('store.minio.size="20GB"', "at '/store/minio/size': '20GB' does not match"),
        ('images.predictor.digest="abc"', "at '/images/predictor/digest': 'abc' does not match"),
        ('services=["Weather"]', "at '/services/0': 'Weather' does not match"),
        ("services=[]", "at '/services': minItems: got 0, want 1"),
        ("monitoring.alerts.failedShare=2", "at '/monitoring/alerts/failedShare'"),
        ('networkPolicy.apiServerPorts=["https"]', "got string, want integer"),
        ("store.minio.enabled=false", "store.external.endpoint: name your store"),
        ("mlflow.enabled=false", "mlflow.external.uri: name your MLflow"),
        ('pipelines.serviceAccount="pipeline-runner"', "would close Kubeflow's own pods"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(value: str, said: str):
    assert said in refusal(value)


def test_a_store_without_its_secret_is_refused():
    said = refusal("store.minio.enabled=false", 'store.external.endpoint="https://s3.example.org"')

    assert "store.external.secret: name the Secret with the roles' keys" in said


def test_the_schema_names_every_value_and_no_other():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"].pop("global")

    assert leaves(values) == leaves_of(schema)


def leaves(values: Any, where: str = "") -> set[str]:
    if not isinstance(values, dict) or where.endswith(("abels", "nodeSelector")):
        return {where}
    return {leaf for key, value in values.items() for leaf in leaves(value, f"{where}.{key}")}


def leaves_of(schema: Any, where: str = "") -> set[str]:
    if "properties" not in schema:
        return {where}
    assert schema["additionalProperties"] is False, where
    return {
        leaf
        for key, value in schema["properties"].items()
        for leaf in leaves_of(value, f"{where}.{key}")
    }


def test_by_default_the_jobs_are_told_of_our_own_store_and_mlflow():
    told = site(objects("default"))

    assert told.own_store
    assert told.own_tracking
    assert told.endpoint == f"http://weathervane-store.{NAMESPACE}.svc:9000"
    assert told.tracking_uri == f"http://weathervane-mlflow.{NAMESPACE}.svc:5000"
    assert told.pipelines_namespace == told.namespace == NAMESPACE


def test_with_a_store_and_an_mlflow_of_somebody_elses_neither_is_made():
    found = objects("external")
    told = site(found)

    assert (told.own_store, told.own_tracking) == (False, False)
    assert (told.store_secret, told.tracking_secret) == ("my-store-keys", "my-mlflow-logins")
    assert {name.split()[0] for name, _ in pods(found)} == {"Job", "Pod"}
    assert kinds(found, "StatefulSet") == kinds(found, "Deployment") == []
    assert [one["metadata"]["name"] for one in kinds(found, "Job")] == ["weathervane-credentials"]


def test_a_digest_wins_over_a_tag_and_pull_secrets_reach_every_pod():
    found = objects("database")

    for where, pod in pods(found):
        assert pod["imagePullSecrets"] == [{"name": "registry-login"}], where
        assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}, where
        assert pod["tolerations"][0]["key"] == "dedicated", where
        for container in pod["containers"]:
            assert "@sha256:" in container["image"], where
    (serving,) = kinds(found, "ServingRuntime")[0]["spec"]["containers"]
    assert serving["image"] == f"registry.example.org/weathervane-predictor@sha256:{'1' * 64}"
    for account in ("weathervane-predictor", "weathervane-rollout"):
        assert named(found, "ServiceAccount", account)["imagePullSecrets"]


def test_an_image_without_tag_has_the_version_of_the_chart():
    (serving,) = kinds(objects("default"), "ServingRuntime")[0]["spec"]["containers"]
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]

    assert serving["image"] == f"weathervane-predictor:{version}"


def test_with_a_database_mlflow_keeps_nothing_on_a_volume():
    found = objects("database")
    pod = named(found, "Deployment", "weathervane-mlflow")["spec"]["template"]["spec"]

    assert kinds(found, "PersistentVolumeClaim") == []
    assert {"name": "data", "emptyDir": {}} in pod["volumes"]
    assert site(found).database_secret == "mlflow-database"
    assert "mlflow.example.org" in pod["containers"][0]["args"][-2]


def test_steps_of_pipelines_run_where_kubeflow_is():
    found = objects("kind")
    (subject, *_) = named(found, "RoleBinding", "weathervane-start")["subjects"]
    roles = {one["metadata"]["namespace"] for one in kinds(found, "Role")}

    assert subject == {"kind": "ServiceAccount", "name": "pipeline-runner", "namespace": "kubeflow"}
    assert roles == {NAMESPACE, "kubeflow"}
    assert site(found).pipelines_namespace == "kubeflow"


def test_what_is_turned_off_is_not_there():
    found = objects("bare")

    assert kinds(found, "NetworkPolicy") == []
    assert "weathervane-ci" not in {one["metadata"]["name"] for one in found}
    assert kinds(found, "PrometheusRule") == []
