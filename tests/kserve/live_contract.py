"""The port's contract on the live cluster that ``WEATHERVANE_LIVE`` names: ``make test-live``.

Not among the tests that need no cluster: its name is none that pytest looks for by itself.
"""

from collections.abc import Iterator

import pytest

from tests.kserve import live
from tests.kserve.live import LiveWorld
from tests.unit.rollout.deployment_contract import DeploymentContract


class TestLiveDeployment(DeploymentContract):
    @pytest.fixture
    def world(self) -> Iterator[LiveWorld]:
        with live.opened(live.named()) as world:
            yield world
