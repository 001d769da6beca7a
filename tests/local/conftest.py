"""What the tests of the local platform share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local.sites import NO_STORE, STAND_IN, Site, Traffic
from weathervane.local import processes
from weathervane.rollout.local import LocalDeployment


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    state = tmp_path / "state"
    try:
        site = Site(state, LocalDeployment(state, "weather", NO_STORE, predictor=STAND_IN))
        site.restart_gateway()
        yield site
    finally:
        processes.stop(state, grace_seconds=5)


@pytest.fixture
def traffic(site: Site, tmp_path: Path) -> Iterator[Callable[..., Traffic]]:
    begun: list[Traffic] = []

    def begin(rate: float = 300) -> Traffic:
        begun.append(Traffic(site, tmp_path, rate))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()
