"""What the predictor's tests share: one running predictor, and pictures of several kinds."""

from collections.abc import Iterator

import pytest

from tests.predictor.running import Running, running
from weathervane.registry.package import Package


@pytest.fixture(scope="session")
def predictor(tiny_package: Package) -> Iterator[Running]:
    """A predictor that every test may ask and none may break."""
    with running(
        *("--package", str(tiny_package.folder), "--digest", tiny_package.digest)
    ) as server:
        yield server


@pytest.fixture(scope="session")
def pictures(tiny_package: Package) -> dict[str, bytes]:
    """The package's own golden pictures by format; the last of a format where there are more."""
    return {golden.format: golden.picture for golden in tiny_package.golden()}
