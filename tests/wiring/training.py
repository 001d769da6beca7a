"""What the compiled training pipeline registered: a rollout finds it, a predictor serves it."""

import subprocess
import sys
from typing import Any

import httpx
import yaml

from tests.chart.rendering import NAMESPACE, kinds, named
from tests.wiring.installation import SECRET, Installation
from tests.wiring.nodes import PATIENCE_SECONDS, decoded, free_port, pods_of
from weathervane.client import encode_request
from weathervane.registry.package import Package
from weathervane.registry.versions import CHALLENGER, CHAMPION

RESOLVE = f"""
from weathervane.config import store_from_environment, tracking_uri
from weathervane.registry.store import Store
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
    said = installed.in_the_role("weathervane-settings", RESOLVE)

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
    template = named(installed.found, "ConfigMap", "weathervane-template")["data"]["template.yaml"]
    more = yaml.safe_load(template)["spec"]["predictor"]["model"]["args"]
    rest, grpc = free_port(), free_port()
    arguments = [
        one.replace("{digest}", trained)
        .replace("{{.Name}}", "weather")
        .replace("/mnt/models", str(models))
        .replace("8080", str(rest))
        .replace("8081", str(grpc))
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
    installed.node.serve(
        *("predictor", pod, {}, rest, "/v2/health/ready"),
        environment={"K_REVISION": "weather-00001"},
    )

    answer = v2(rest, next((installed.folder / "pictures").glob("*/*")).read_bytes())

    assert {one["name"] for one in answer["outputs"]} == {"label", "confidence"}
    assert answer["model_name"] == "weather"


def v2(port: int, picture: bytes) -> dict[str, Any]:
    body, headers = encode_request(picture)
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v2/models/weather/infer",
        content=body,
        headers=headers,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_charts_own_test_serves_and_asks(installed: Installation, tiny_package: Package):
    pod = pods_of(installed.found, "Pod", "weathervane-self-test")

    said = installed.node.run("self-test", pod, {}, more=(str(tiny_package.folder),))

    assert said.startswith("serves: 8 golden pictures")
