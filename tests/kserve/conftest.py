from collections.abc import Iterator

import pytest

from tests.kserve.worlds import MODES, Stage
from tests.platform.cluster import Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(cluster: Cluster, mode: str) -> Stage:
    return Stage(cluster, mode)
