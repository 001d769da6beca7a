"""The port's contract over KServe in both modes, through the real client and real HTTP."""

from dataclasses import dataclass

import pytest

from tests.kserve.worlds import NEW, OLD, SERVICE, Stage
from tests.platform.cluster import Cluster
from tests.unit.rollout.deployment_contract import DeploymentContract
from weathervane.rollout.kserve.knative import KnativeDeployment
from weathervane.rollout.kserve.standard import StandardDeployment
from weathervane.rollout.port import Release

pytestmark = pytest.mark.process


@dataclass
class KServeWorld:
    stage: Stage
    first: Release = OLD
    second: Release = NEW
    picture: bytes = b"sunny"

    @property
    def deployment(self) -> KnativeDeployment | StandardDeployment:
        return self.stage.deployment

    def send(self, requests: int) -> int:
        return self.stage.cluster.send(SERVICE, requests)

    def await_ready(self) -> None:
        self.stage.await_ready()


class TestKServeDeployment(DeploymentContract):
    @pytest.fixture
    def world(self, cluster: Cluster, mode: str) -> KServeWorld:
        return KServeWorld(Stage(cluster, mode, first=True))
