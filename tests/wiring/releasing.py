"""Releases by the compiled pipeline and the chart's own accounts, on KServe's rules."""

from pathlib import Path

import httpx
import pytest

from tests.chart.rendering import NAMESPACE
from tests.platform.pods import Behaviour
from tests.wiring.nodes import PATIENCE_SECONDS
from tests.wiring.serving import ACCOUNTS, Serving
from weathervane.registry.package import read_package
from weathervane.registry.spoil import relabel_package
from weathervane.registry.store import package_key
from weathervane.registry.versions import CHALLENGER, CHAMPION

WHO_IS_CHAMPION = f"""
from weathervane.config import tracking_uri
from weathervane.registry.versions import Registry
print(Registry(tracking_uri()).alias("weather", "{CHAMPION}").digest)
"""


def test_the_release_pipeline_releases_what_was_trained(serving: Serving, trained: str):
    outputs = serving.release(CHALLENGER)

    assert outputs["roll_out"]["Output"] is True
    assert "rolled_back" not in outputs
    assert serving.digest == trained
    said = serving.site.in_the_role("weathervane-settings", WHO_IS_CHAMPION)
    assert said.split() == [trained]


def test_a_bad_one_is_taken_back_and_the_pipeline_shows_it(
    serving: Serving, trained: str, tmp_path: Path
):
    store, cluster = serving.site.packages(), serving.site.cluster
    store.download_folder(package_key("weather", trained), tmp_path / "good")
    good = read_package(tmp_path / "good", trained)
    bad = relabel_package(good, (*good.labels[1:], good.labels[0]), tmp_path / "bad")
    store.upload_folder(bad.folder, package_key("weather", bad.digest))
    right = cluster.behaviours[trained].label
    wrong = dict(zip(good.labels, bad.labels, strict=True))
    cluster.behaviours[bad.digest] = Behaviour(label=lambda picture: wrong[right(picture)])
    serving.site.in_the_role(
        "weathervane-pipeline",
        "from weathervane.config import tracking_uri\n"
        "from weathervane.registry.versions import Registry\n"
        "registry = Registry(tracking_uri())\n"
        f"registry.register('weather', '{bad.digest}', '{store.uri('models')}')\n"
        f"registry.set_alias('weather', '{CHALLENGER}', '{bad.digest}')\n",
    )

    outputs = serving.release(bad.digest)

    assert outputs["roll_out"]["Output"] is False
    assert "rolled_back" in outputs
    assert serving.digest == trained
    said = serving.site.in_the_role("weathervane-settings", WHO_IS_CHAMPION)
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
        timeout=PATIENCE_SECONDS,
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
