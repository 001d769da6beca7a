"""The chart's wiring without a cluster: `make check-wiring`.

Each container of the rendered chart runs as a process, with its own command, arguments, environment
and Secrets: the Job that makes Secrets against an API server, MinIO, MLflow, the Job that gives
access, the training pipeline, KServe's storage initializer, the predictor, the chart's own test,
the release pipeline and the Job of its rollout on the platform of tests, which has KServe's rules.
Then each role does what it must and is refused what it must not.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from minio import Minio
from minio.error import S3Error

from pipelines import local
from pipelines.compile import BESIDE, RELEASE
from pipelines.run import run_training
from tests.chart.rendering import CHART, NAMESPACE, kinds, named, objects, text
from tests.chart.test_rights import rights
from tests.kserve.node import kubeconfig
from tests.platform.cluster import Cluster
from tests.platform.kinds import CONFIGMAP
from tests.platform.pods import Behaviour
from tests.wiring.jobs import jobs_run
from tests.wiring.nodes import Node, await_answer, decoded, free_port, pods_of
from weathervane.client import encode_request
from weathervane.config import store_from_environment
from weathervane.data.scenes import write_sample
from weathervane.errors import TrackingError
from weathervane.registry.package import Package, read_package
from weathervane.registry.spoil import relabel_package
from weathervane.registry.store import Store, package_key
from weathervane.registry.versions import CHALLENGER, CHAMPION
from weathervane.rollout.port import Release
from weathervane.rollout.release import fetch_probes

SECRET = "v1/secrets"
OPEN_GATE = {"min_accuracy": 0.0, "min_macro_f1": 0.0, "min_class_recall": 0.0, "max_ece": 1.0}


@dataclass
class Installation:
    """What `helm install` would have made, running."""

    node: Node
    cluster: Cluster
    found: tuple[dict[str, Any], ...]
    folder: Path

    @property
    def secrets(self) -> dict[str, dict[str, str]]:
        every = self.cluster.objects.of_kind(SECRET, NAMESPACE)
        return {one["metadata"]["name"]: decoded(one) for one in every}

    def credentials(self) -> str:
        """The first Job, with the rights of its role."""
        config = kubeconfig(self.cluster, self.folder / "kubeconfig", user="install")
        (role,) = (
            one
            for one in kinds(self.found, "Role")
            if one["metadata"]["name"] == "weathervane-install"
        )
        self.cluster.api.roles = {"install": rights(role)}
        pod = pods_of(self.found, "Job", "weathervane-credentials")
        return self.node.run("credentials", pod, {}, environment={"KUBECONFIG": str(config)})

    def access(self) -> str:
        pod = pods_of(self.found, "Job", "weathervane-access")
        return self.node.run("access", pod, self.secrets)

    def client(self, secret: str) -> dict[str, str]:
        """The environment of a role, on this machine."""
        return {key: self.node.here(value, "client") for key, value in self.secrets[secret].items()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("wiring")
    with Cluster() as cluster, Node(folder) as node:
        one = Installation(node, cluster, objects("default"), folder)
        one.credentials()
        node.start("store", pods_of(one.found, "StatefulSet", "weathervane-store"), one.secrets)
        node.start("mlflow", pods_of(one.found, "Deployment", "weathervane-mlflow"), one.secrets)
        await_answer(node.store, "/minio/health/ready")
        await_answer(node.tracking, "/health")
        one.access()
        yield one


def test_installing_again_changes_no_secret_and_no_right(installed: Installation):
    before = installed.secrets

    said = installed.credentials()
    installed.access()

    assert installed.secrets == before
    assert said.count("as it was") == 5


def test_the_installation_used_every_right_that_it_has(installed: Installation):
    used = installed.cluster.api.used["install"]

    assert used <= {(verb, "secrets") for verb in ("create", "get", "update")}
    assert {("create", "secrets"), ("get", "secrets")} <= used


# For each role: what it does with a key, and whether the store lets it.
STORE_RIGHTS = [
    ("predictor", "read", "models/weather/x", True),
    ("predictor", "list", "models/weather/", True),
    ("predictor", "read", "probes/x", False),
    ("predictor", "read", "mlflow/x", False),
    ("predictor", "list", "", False),
    ("predictor", "write", "models/weather/new", False),
    ("predictor", "delete", "models/weather/x", False),
    ("rollout", "read", "models/weather/x", True),
    ("rollout", "read", "probes/x", True),
    ("rollout", "list", "probes/", True),
    ("rollout", "read", "mlflow/x", False),
    ("rollout", "read", "data/x", False),
    ("rollout", "write", "models/weather/new", False),
    ("rollout", "write", "probes/new", False),
    ("rollout", "delete", "probes/x", False),
    ("pipeline", "read", "data/x", True),
    ("pipeline", "read", "models/weather/x", True),
    ("pipeline", "write", "models/weather/new", True),
    ("pipeline", "write", "probes/new", True),
    ("pipeline", "write", "evaluations/new", True),
    ("pipeline", "write", "mlflow/new", False),
    ("pipeline", "write", "data/new", False),
    ("pipeline", "delete", "models/weather/x", False),
    ("pipeline", "delete", "data/x", False),
    ("mlflow", "write", "mlflow/new", True),
    ("mlflow", "read", "mlflow/x", True),
    ("mlflow", "delete", "mlflow/new", True),
    ("mlflow", "read", "models/weather/x", False),
    ("mlflow", "write", "models/weather/new", False),
    ("nobody", "read", "models/weather/x", False),
    ("nobody", "list", "models/", False),
]
KEYS = {
    "predictor": ("weathervane-predictor", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "mlflow": ("weathervane-mlflow", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "rollout": (
        *("weathervane-settings", "WEATHERVANE_STORE_ACCESS_KEY", "WEATHERVANE_STORE_SECRET_KEY"),
    ),
    "pipeline": (
        *("weathervane-pipeline", "WEATHERVANE_STORE_ACCESS_KEY", "WEATHERVANE_STORE_SECRET_KEY"),
    ),
    "root": ("weathervane-store", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"),
}


def store_client(installed: Installation, role: str) -> Minio:
    keys: dict[str, str] = {}
    if role != "nobody":
        secret, access, hidden = KEYS[role]
        values = installed.secrets[secret]
        keys = {"access_key": values[access], "secret_key": values[hidden]}
    address = f"127.0.0.1:{installed.node.store}"
    return Minio(endpoint=address, secure=False, region="us-east-1", **keys)


@pytest.fixture(scope="module")
def filled(installed: Installation) -> Installation:
    root = store_client(installed, "root")
    for key in ("models/weather/x", "probes/x", "data/x", "mlflow/x"):
        root.put_object(bucket_name="weathervane", object_name=key, data=io.BytesIO(b"x"), length=1)
    return installed


@pytest.mark.parametrize(("role", "act", "key", "may"), STORE_RIGHTS)
def test_each_role_may_do_in_the_store_what_it_must_and_nothing_else(
    filled: Installation, role: str, act: str, key: str, may: bool
):
    client = store_client(filled, role)
    bucket = "weathervane"
    acts = {
        "read": lambda: client.get_object(bucket_name=bucket, object_name=key).read(),
        "list": lambda: list(client.list_objects(bucket_name=bucket, prefix=key)),
        "write": lambda: client.put_object(
            bucket_name=bucket, object_name=key, data=io.BytesIO(b"y"), length=1
        ),
        "delete": lambda: client.remove_object(bucket_name=bucket, object_name=key),
    }

    if may:
        acts[act]()
    else:
        with pytest.raises(S3Error) as refused:
            acts[act]()
        assert refused.value.code == "AccessDenied"


def test_nobody_gets_into_mlflow_without_a_log_in(installed: Installation):
    address = f"http://127.0.0.1:{installed.node.tracking}/api/2.0/mlflow"
    name = {"name": "weather"}

    assert httpx.get(f"{address}/registered-models/get", params=name).status_code == 401
    wrong = httpx.get(f"{address}/registered-models/get", params=name, auth=("admin", "password"))
    assert wrong.status_code == 401
    made = httpx.post(f"{address}/users/create", json={"username": "eve", "password": "x" * 12})
    assert made.status_code == 401


@pytest.mark.parametrize("secret", ["weathervane-settings", "weathervane-pipeline"])
def test_a_role_may_make_no_users_and_delete_no_models(installed: Installation, secret: str):
    values = installed.client(secret)
    auth = (values["MLFLOW_TRACKING_USERNAME"], values["MLFLOW_TRACKING_PASSWORD"])
    address = f"http://127.0.0.1:{installed.node.tracking}/api/2.0/mlflow"
    eve = {"username": "eve", "password": "x" * 12}

    assert httpx.post(f"{address}/users/create", json=eve, auth=auth).status_code == 403
    deleted = httpx.request(
        "DELETE", f"{address}/registered-models/delete", json={"name": "weather"}, auth=auth
    )
    assert deleted.status_code == 403


def test_another_host_name_is_refused_by_mlflow(installed: Installation):
    address = f"http://127.0.0.1:{installed.node.tracking}/api/2.0/mlflow/experiments/search"

    assert httpx.get(address, headers={"Host": "evil.example.org"}).status_code == 403
    ours = httpx.get(address, headers={"Host": "weathervane-mlflow:5000"})
    assert ours.status_code == 401


@pytest.fixture(scope="module")
def trained(installed: Installation) -> str:
    """The digest of a package that the compiled pipeline trained with the steps' own Secret."""
    write_sample(installed.folder / "pictures", 100, seed=0)
    result = run_training(
        str(installed.folder / "pictures"),
        folder=installed.folder / "runs",
        environment={
            **installed.client("weathervane-pipeline"),
            "WEATHERVANE_STATE": str(installed.folder / "state"),
        },
        architectures=["cnn-small"],
        image_size=32,
        settings={"gate": OPEN_GATE, "train": {"epochs": 2}},
        progress=lambda line: None,
    )
    assert result.passed
    return result.digest


def in_the_role(installed: Installation, secret: str, code: str) -> str:
    """Run code with a role's environment, as MLflow's client reads its log-in there."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(CHART.parents[1]),
            **installed.client(secret),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


RESOLVE = f"""
from weathervane.config import store_from_environment, tracking_uri
from weathervane.registry.versions import Registry
from weathervane.rollout.release import fetch_probes, resolve
registry, store = Registry(tracking_uri()), Store(store_from_environment())
release = resolve(registry, store, "weather", "{CHALLENGER}")
print(release.digest, len(fetch_probes(store, release)) > 0)
registry.set_alias("weather", "{CHAMPION}", release.digest)
print(registry.alias("weather", "{CHAMPION}").digest)
"""


def test_a_rollout_finds_what_the_pipeline_registered_and_moves_the_alias(
    installed: Installation, trained: str
):
    said = in_the_role(installed, "weathervane-settings", RESOLVE)

    assert said.split() == [trained, "True", trained]


# What KServe's storage initializer does: python/storage/kserve_storage/kserve_storage.py,
# _download_s3.
FETCH = """
import os, sys
import boto3
name, prefix, out = sys.argv[1:]
bucket = boto3.resource("s3", region_name=os.environ["AWS_REGION"]).Bucket(name)
for found in bucket.objects.filter(Prefix=prefix):
    target = os.path.join(out, os.path.relpath(found.key, prefix))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    bucket.download_file(found.key, target)
"""


def test_a_predictor_serves_what_kserve_fetched_for_it(installed: Installation, trained: str):
    models = installed.folder / "predictor" / "mnt" / "models"
    models.mkdir(parents=True)
    secret = installed.cluster.objects.get((SECRET, NAMESPACE, "weathervane-predictor"))
    annotations = secret["metadata"]["annotations"]
    prefix = "serving.kserve.io/s3-"
    # What KServe's controller makes of them: pkg/credentials/s3/s3_secret.go.
    scheme = "https" if annotations[f"{prefix}usehttps"] == "1" else "http"
    endpoint = f"{scheme}://{installed.node.here(annotations[f'{prefix}endpoint'], 'predictor')}"
    fetched = subprocess.run(
        [sys.executable, "-c", FETCH, "weathervane", f"models/weather/{trained}", str(models)],
        env={
            "PATH": "/usr/bin:/bin",
            **decoded(secret),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": annotations[f"{prefix}region"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert fetched.returncode == 0, fetched.stderr

    (runtime,) = kinds(installed.found, "ServingRuntime")
    (container,) = runtime["spec"]["containers"]
    template = yaml.safe_load(
        next(
            one["data"]["template.yaml"]
            for one in kinds(installed.found, "ConfigMap")
            if one["metadata"]["name"] == "weathervane-template"
        )
    )
    more = template["spec"]["predictor"]["model"]["args"]
    ports = {"8080": free_port(), "8081": free_port()}
    arguments = [
        one.replace("{digest}", trained)
        .replace("{{.Name}}", "weather")
        .replace("/mnt/models", str(models))
        .replace("8080", str(ports["8080"]))
        .replace("8081", str(ports["8081"]))
        for one in (*container["args"], *more)
    ]
    pod = {
        "containers": [
            {
                # The image's own entry point; KServe replaces none of it.
                "command": ["/opt/predictor/bin/python", "-m", "predictor", "--host", "127.0.0.1"],
                "args": arguments,
            }
        ]
    }
    installed.node.start("predictor", pod, {}, environment={"K_REVISION": "weather-00001"})
    await_answer(ports["8080"], "/v2/health/ready")

    answer = v2(ports["8080"], next((installed.folder / "pictures").glob("*/*")).read_bytes())

    assert {one["name"] for one in answer["outputs"]} == {"label", "confidence"}
    assert answer["model_name"] == "weather"


def v2(port: int, picture: bytes) -> dict[str, Any]:
    body, headers = encode_request(picture)
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v2/models/weather/infer", content=body, headers=headers
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@dataclass
class Serving:
    """Our platform of tests with the chart's template, and the accounts that a rollout needs."""

    site: Installation
    kubeconfigs: dict[str, Path]

    def release(self, package: str) -> dict[str, Any]:
        """The compiled release pipeline with the steps' Secret and account; outputs by step."""
        site = self.site
        template = named(site.found, "ConfigMap", "weathervane-template")
        config = {"weathervane-template": template["data"]}
        with jobs_run(site.node, site.cluster, site.secrets, config, self.kubeconfigs["rollout"]):
            steps = local.run(
                BESIDE / RELEASE,
                {"package": package, "namespace": NAMESPACE, "image": "any", "plan": PLAN},
                folder=site.folder / "releases",
                environment={
                    **site.client("weathervane-pipeline"),
                    "KUBECONFIG": str(self.kubeconfigs["pipeline"]),
                },
                progress=lambda line: None,
            )
        return {step.name: step.outputs for step in steps}


# Service accounts of a rollout, and their Roles of the chart.
ACCOUNTS = {
    "pipeline": ("weathervane-start", "weathervane-read", "weathervane-ask"),
    "rollout": ("weathervane-rollout",),
}
PLAN = {"steps": [50], "min_probes": 3, "hold_seconds": 0.2, "interval_seconds": 0.2}


@pytest.fixture(scope="module")
def serving(installed: Installation, trained: str) -> Serving:
    cluster, found = installed.cluster, installed.found
    template = named(found, "ConfigMap", "weathervane-template")
    cluster.objects.create((CONFIGMAP, NAMESPACE, "weathervane-template"), template)
    for account, roles in ACCOUNTS.items():
        granted = [rights(named(found, "Role", role)) for role in roles]
        cluster.api.roles[account] = set().union(*granted)
    # The platform's pods answer as a good model does.
    store = pipeline_store(installed)
    release = Release(digest=trained, uri=store.uri(package_key("weather", trained)))
    labels = {one.picture: one.label for one in fetch_probes(store, release)}
    cluster.behaviours[trained] = Behaviour(label=labels.__getitem__)
    return Serving(
        installed,
        {
            account: kubeconfig(cluster, installed.folder / f"kubeconfig-{account}", user=account)
            for account in ACCOUNTS
        },
    )


def pipeline_store(installed: Installation) -> Store:
    return Store(store_from_environment(installed.client("weathervane-pipeline")))


def served(installed: Installation) -> str:
    predictor = installed.cluster.isvc("weather")["spec"]["predictor"]
    return str(predictor["model"]["storageUri"]).rpartition("/")[2]


def test_the_release_pipeline_releases_what_was_trained(serving: Serving, trained: str):
    outputs = serving.release(CHALLENGER)

    assert outputs["roll_out"]["Output"] is True
    assert "rolled_back" not in outputs
    assert served(serving.site) == trained
    said = in_the_role(serving.site, "weathervane-settings", WHO_IS_CHAMPION)
    assert said.split() == [trained]


WHO_IS_CHAMPION = f"""
from weathervane.config import tracking_uri
from weathervane.registry.versions import Registry
print(Registry(tracking_uri()).alias("weather", "{CHAMPION}").digest)
"""


def test_a_bad_one_is_taken_back_and_the_pipeline_shows_it(
    serving: Serving, trained: str, tmp_path: Path
):
    store, cluster = pipeline_store(serving.site), serving.site.cluster
    store.download_folder(package_key("weather", trained), tmp_path / "good")
    good = read_package(tmp_path / "good", trained)
    bad = relabel_package(good, (*good.labels[1:], good.labels[0]), tmp_path / "bad")
    store.upload_folder(bad.folder, package_key("weather", bad.digest))
    right = cluster.behaviours[trained].label
    wrong = dict(zip(good.labels, bad.labels, strict=True))
    cluster.behaviours[bad.digest] = Behaviour(label=lambda picture: wrong[right(picture)])
    in_the_role(
        serving.site,
        "weathervane-pipeline",
        "from weathervane.config import tracking_uri\n"
        "from weathervane.registry.versions import Registry\n"
        f"registry = Registry(tracking_uri())\n"
        f"registry.register('weather', '{bad.digest}', '{store.uri('models')}')\n"
        f"registry.set_alias('weather', '{CHALLENGER}', '{bad.digest}')\n",
    )

    outputs = serving.release(bad.digest)

    assert outputs["roll_out"]["Output"] is False
    assert "rolled_back" in outputs
    assert served(serving.site) == trained
    said = in_the_role(serving.site, "weathervane-settings", WHO_IS_CHAMPION)
    assert said.split() == [trained]


ISVC_PATH = f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices"
SECRETS_PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets"
CLUSTER_RIGHTS = [
    ("pipeline", "GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/weathervane-template", True),
    ("pipeline", "GET", f"{ISVC_PATH}/weather", False),
    ("pipeline", "DELETE", f"{ISVC_PATH}/weather", False),
    ("pipeline", "GET", f"{SECRETS_PATH}/weathervane-store", False),
    ("pipeline", "GET", SECRETS_PATH, False),
    ("pipeline", "GET", f"/api/v1/namespaces/{NAMESPACE}/pods", False),
    ("rollout", "GET", f"{ISVC_PATH}/weather", True),
    ("rollout", "GET", f"{SECRETS_PATH}/weathervane-store", False),
    ("rollout", "GET", SECRETS_PATH, False),
    ("rollout", "GET", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/x", False),
    ("rollout", "DELETE", f"/api/v1/namespaces/{NAMESPACE}/configmaps/weathervane-weather", False),
    ("nobody", "GET", f"{ISVC_PATH}/weather", False),
]


@pytest.mark.parametrize(("account", "method", "path", "may"), CLUSTER_RIGHTS)
def test_each_account_may_do_on_the_cluster_what_it_must_and_nothing_else(
    serving: Serving, account: str, method: str, path: str, may: bool
):
    answer = httpx.request(
        method,
        f"{serving.site.cluster.api.address}{path}",
        headers={"Authorization": f"Bearer {account}"},
    )

    assert answer.status_code == (200 if may else 403), answer.text


def test_accounts_used_what_they_have(serving: Serving):
    """Besides what only another mode, or an aborted first deployment, needs."""
    api = serving.site.cluster.api
    unused = {account: api.roles[account] - api.used[account] for account in ACCOUNTS}

    assert unused == {
        "pipeline": {("create", "configmaps"), ("update", "configmaps")},
        "rollout": {
            ("delete", "inferenceservices.serving.kserve.io"),
            ("get", "httproutes.gateway.networking.k8s.io"),
        },
    }


def test_the_charts_own_test_serves_and_asks(installed: Installation, tiny_package: Package):
    pod = pods_of(installed.found, "Pod", "weathervane-self-test")

    said = installed.node.run("self-test", pod, {}, more=(str(tiny_package.folder),))

    assert said.startswith("serves: 8 golden pictures")


def test_a_wrong_password_is_refused_in_one_line(installed: Installation):
    code = RESOLVE.replace("tracking_uri()", "tracking_uri()", 1)
    values = dict(installed.client("weathervane-settings"), MLFLOW_TRACKING_PASSWORD="wrong")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHART.parents[1]), **values},
        capture_output=True,
        text=True,
        check=False,
    )

    assert TrackingError.__name__ in done.stderr
    assert "wrong" not in done.stderr.splitlines()[-1]


def test_no_secret_is_in_a_log_an_object_a_pipeline_or_mlflow(serving: Serving):
    """Each installation plants its own: the Job has made them, and nobody else knows them."""
    site = serving.site
    hidden = {
        value.encode()
        for values in site.secrets.values()
        for key, value in values.items()
        if any(word in key for word in ("SECRET", "PASSWORD"))
    }
    assert len(hidden) >= 9
    objects_there = [
        site.cluster.objects.get(key)
        for key in site.cluster.objects.every_key()
        if key[0] != SECRET
    ]
    root = store_client(site, "root")
    stored = [one.object_name for one in root.list_objects("weathervane", recursive=True)]
    files = (
        *(CHART.parents[1] / "pipelines").glob("*.yaml"),
        *site.folder.glob("*.log"),
        *(site.folder / "runs").rglob("*"),
        *(site.folder / "releases").rglob("*"),
        *(site.folder / "mlflow" / "data").glob("*.db"),
    )
    places = {
        "the rendered chart": text("default").encode(),
        "what the cluster holds besides Secrets": json.dumps(objects_there).encode(),
        **{
            f"stored {name}": root.get_object(bucket_name="weathervane", object_name=name).read()
            for name in stored
        },
        **{str(path): path.read_bytes() for path in files if path.is_file()},
    }

    assert {"ConfigMap", "InferenceService", "Job"} <= {one["kind"] for one in objects_there}
    assert {"models", "probes"} <= {name.partition("/")[0] for name in stored}
    leaks = [where for where, found in places.items() for one in hidden if one in found]
    assert leaks == []
