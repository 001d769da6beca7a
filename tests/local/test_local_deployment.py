"""The port's contract over real predictors, real Envoy and a real store."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields, replace

import httpx
import pytest

from tests.local.sites import Site, await_true
from tests.unit.rollout.deployment_contract import DeploymentContract, deploy
from weathervane.client import classify, encode_request
from weathervane.config import StoreConfig
from weathervane.errors import DeploymentError, UsageError
from weathervane.local import processes
from weathervane.local.routes import REVISION_HEADER
from weathervane.local.serving import Serving
from weathervane.registry.package import Description, Package, read_package, seal
from weathervane.registry.store import Store, package_key
from weathervane.rollout.local import LocalDeployment
from weathervane.rollout.port import Release

pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Shelf:
    """Two packages in a store."""

    store: StoreConfig
    first: Release
    second: Release
    picture: bytes


@pytest.fixture(scope="module")
def shelf(
    store_server: StoreConfig, tiny_package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Shelf:
    store = Store(replace(store_server, bucket="local-deployment"))
    store.ensure_bucket()
    # The same model as another version of the code would have packaged it.
    folder = tmp_path_factory.mktemp("packages") / "second"
    shutil.copytree(tiny_package.folder, folder)
    told = {field.name: getattr(tiny_package, field.name) for field in fields(Description)}
    other = seal(folder, Description(**{**told, "code_version": "9.9.9"}))
    releases = [
        Release(
            digest=package.digest,
            uri=store.upload_folder(package.folder, package_key("weather", package.digest)),
        )
        for package in (read_package(tiny_package.folder), other)
    ]
    return Shelf(store.config, *releases, tiny_package.golden()[0].picture)


@dataclass
class LocalWorld:
    site: Site
    deployment: LocalDeployment
    first: Release
    second: Release
    picture: bytes

    def send(self, requests: int) -> int:
        copied = self._copied()
        answered = len(list(classify(self.site.address, "weather", [self.picture] * requests)))
        expected = copied + requests * self.deployment.observe().mirror // 100
        await_true(lambda: self._copied() >= expected)
        return answered

    def answered_by(self, header: str) -> str:
        body, headers = encode_request(self.picture)
        answer = httpx.post(
            f"{self.site.address}/v2/models/weather/infer",
            content=body,
            headers={**headers, REVISION_HEADER: header},
            trust_env=False,
        )
        assert answer.status_code == 200
        return answer.headers[REVISION_HEADER]

    def _copied(self) -> int:
        return sum(one.requests for one in self.deployment.mirrored().values())

    def await_ready(self) -> None:
        def ready() -> bool:
            canary = self.deployment.observe().canary
            assert canary
            assert "ended" not in canary.message, canary.message
            return canary.ready

        await_true(ready, 60)


@pytest.fixture
def world(site: Site, shelf: Shelf) -> LocalWorld:
    return LocalWorld(
        site=site,
        deployment=LocalDeployment(site.state, "weather", shelf.store),
        first=shelf.first,
        second=shelf.second,
        picture=shelf.picture,
    )


class TestLocalDeployment(DeploymentContract):
    """With the predictors that everybody gets."""


def test_a_package_that_is_not_in_the_store_is_said_in_the_stores_words(world):
    nowhere = Release(digest="0" * 64, uri=world.first.uri.replace(world.first.digest, "0" * 64))
    world.deployment.start_canary(nowhere)

    def message() -> str:
        canary = world.deployment.observe().canary
        assert canary
        assert not canary.ready
        return canary.message

    await_true(lambda: "ended" in message(), 30)

    assert "nothing lies at" in message()


def test_the_predictors_tell_what_they_answered_and_a_probe_is_no_answer(world, shelf):
    deploy(world)
    stable = world.deployment.observe().stable.name
    world.deployment.predict(stable, [world.picture] * 3)
    world.send(4)
    # Who comes through the gateway is traffic, whatever it says.
    list(classify(world.site.address, "weather", [world.picture] * 2, probe=True))

    answers = world.deployment.counts()[stable].answers
    assert (answers.total, sum(answers.confidence)) == (6, 6)

    world.site.kill(f"{stable}.1")
    assert world.deployment.counts()[stable].answers == answers
    Serving(world.site.state, shelf.store).resume()
    await_true(lambda: world.deployment.observe().stable.ready, 60)
    world.send(5)
    assert world.deployment.counts()[stable].answers.total == 11


def test_the_name_of_another_service_is_refused(world, shelf):
    deploy(world)

    with pytest.raises(DeploymentError, match="serves 'weather'"):
        LocalDeployment(world.site.state, "flowers", shelf.store).observe()


@pytest.mark.parametrize("name", ["", "Weather", "a.b", "-a", "a" * 59, "a/b"])
def test_a_name_that_cannot_be_a_services_is_refused(tmp_path, shelf, name):
    with pytest.raises(UsageError):
        LocalDeployment(tmp_path, name, shelf.store)


def test_up_serves_the_champion_again(world, shelf, tmp_path, empty_tracking_database):
    """As after a restart of the machine, by the commands that a user types."""
    state = world.site.state
    deploy(world)
    before, address = world.deployment.observe(), world.site.address
    processes.stop(state)
    (state / "tracking").mkdir()
    shutil.copy(empty_tracking_database, state / "tracking" / "mlflow.db")
    environment = {**os.environ, **shelf.store.as_environment(), "WEATHERVANE_STATE": str(state)}

    def weathervane(*arguments: str) -> str:
        command = [sys.executable, "-m", "weathervane.cli", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    said = weathervane("local", "up")

    assert (world.deployment.observe(), world.site.address) == (before, address)
    command = next(line for line in said.splitlines() if "curl" in line)
    (tmp_path / "picture.jpg").write_bytes(shelf.picture)
    answer = subprocess.run(
        command.split(), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert '"label"' in answer.stdout
    assert "weather-00001.1" in weathervane("local", "status")
    weathervane("local", "down")
    assert not processes.running(state)
