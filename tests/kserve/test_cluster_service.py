"""A service of a cluster as a command opens it: a kubeconfig, a template, a name."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import kube_config

from tests.kserve import node
from tests.kserve.worlds import NEW, PLAN, PROBES, SERVICE, Stage, TrafficClock, manifest
from tests.platform.cluster import NAMESPACE, Cluster
from weathervane.errors import UsageError
from weathervane.rollout.kserve.service import ClusterService, open_cluster_service
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan

pytestmark = pytest.mark.process


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = node.kubeconfig(cluster, tmp_path / "kubeconfig")
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    return file


def opened(tmp_path: Path, mode: str = "Knative", **how: Any) -> ClusterService:
    template = tmp_path / "template.yaml"
    template.write_text(yaml.safe_dump(manifest(mode)))
    return open_cluster_service(SERVICE, template, **how)


def test_a_rollout_through_a_kubeconfig_ends_as_any_other(cluster, kubeconfig, tmp_path):
    stage = Stage(cluster, "Knative")
    told: list[Any] = []
    service = opened(tmp_path, context="live", tell=told.append)
    rollout = Rollout(
        service.deployment, service.journal, clock=TrafficClock(cluster, requests_per_second=200)
    )

    outcome = rollout.start(NEW, PLAN, PROBES, "anna")

    assert outcome.promoted
    assert stage.settled(NEW)
    assert service.record()
    # The whole record is told, for the Job's output and the cluster's logs.
    assert len(told) >= len(service.record())
    assert "driver" in cluster.api.calls[-1].token


def test_the_namespace_is_the_contexts_unless_another_is_named(kubeconfig, tmp_path):
    assert opened(tmp_path).api.namespace == "elsewhere"
    assert opened(tmp_path, context="live").api.namespace == NAMESPACE
    assert opened(tmp_path, namespace="third").api.namespace == "third"


def test_a_context_that_is_not_there_is_said(kubeconfig, tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        opened(tmp_path, context="nowhere")


def test_a_plan_that_needs_stable_beside_all_traffic_is_refused_in_knative_mode(
    kubeconfig, tmp_path
):
    with pytest.raises(UsageError, match="must end below 100"):
        opened(tmp_path).check_plan(Plan())
    opened(tmp_path).check_plan(Plan(steps=(10, 50)))
    opened(tmp_path, "Standard").check_plan(Plan())
