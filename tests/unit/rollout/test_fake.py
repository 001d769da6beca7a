from dataclasses import dataclass

import pytest

from tests.unit.rollout.deployment_contract import DeploymentContract
from weathervane.rollout.fake import FakeClock, FakeDeployment
from weathervane.rollout.port import Release


@dataclass
class FakeWorld:
    clock: FakeClock
    deployment: FakeDeployment
    first: Release
    second: Release
    picture: bytes = b"sunny"

    def send(self, requests: int) -> int:
        lost = self.deployment.lost
        self.clock.sleep(requests / self.deployment.requests_per_second)
        self.deployment.counts()
        return requests - (self.deployment.lost - lost)

    def answered_by(self, header: str) -> str:
        stable = self.deployment.observe().stable
        assert stable
        return self.deployment.reached_by(header) or stable.name

    def await_ready(self) -> None:
        self.clock.sleep(3)
        # Waiting is not sending: what flowed meanwhile is not the test's.
        self.deployment.counts()


class TestFakeDeployment(DeploymentContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        clock = FakeClock()
        return FakeWorld(
            clock=clock,
            deployment=FakeDeployment(clock),
            first=Release(digest="a" * 64, uri="s3://bucket/models/weather/a"),
            second=Release(digest="b" * 64, uri="s3://bucket/models/weather/b"),
        )
