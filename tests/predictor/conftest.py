"""What the predictor's tests share: one running predictor, and pictures of several kinds."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields
from hashlib import sha256

import pytest

from tests.predictor.collector import Collector, collecting
from tests.predictor.running import Running, running
from weathervane.registry.package import LITERT_MODEL, Description, Package, seal


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


@dataclass(frozen=True)
class Guarded:
    """A predictor that wants keys, tells of each request, and sends all payloads somewhere."""

    server: Running
    collector: Collector


API_KEY, ADMIN_KEY = "a key of the tests", "an admin's key of the tests"


@pytest.fixture(scope="session")
def guarded(tiny_package: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A predictor with everything on that is off by default."""
    folder = tmp_path_factory.mktemp("keys")
    for name, key in (("api", API_KEY), ("admin", ADMIN_KEY)):
        (folder / name).write_text(f"# keys\n{sha256(key.encode()).hexdigest()}  tests\n")
    with (
        collecting() as collector,
        running(
            *("--package", str(tiny_package.folder), "--digest", tiny_package.digest),
            *("--api-keys", str(folder / "api"), "--admin-keys", str(folder / "admin"), "--docs"),
            *("--log-format", "json", "--log-requests"),
            *("--payload-log", collector.url, "--payload-share", "1"),
        ) as server,
    ):
        yield Guarded(server, collector)


@pytest.fixture(scope="session")
def tensorflow_package(tiny_package: Package, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The same model without its LiteRT file."""
    folder = tmp_path_factory.mktemp("tensorflow") / "package"
    shutil.copytree(tiny_package.folder, folder)
    (folder / LITERT_MODEL).unlink()
    told = {field.name: getattr(tiny_package, field.name) for field in fields(Description)}
    return seal(folder, Description(**told))
