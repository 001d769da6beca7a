"""One load at a time, which nobody's leaving ends; and a list that costs the store little."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from predictor.access import Access
from predictor.model import PackagedModel
from predictor.packages import Packages
from predictor.protocol import ProtocolError
from predictor.repository import Repository
from weathervane.errors import PackageError, StoreError
from weathervane.registry.package import Package

ADMIN = "Bearer key"
ACCESS = Access(admin=(sha256(b"key").hexdigest(),))


@dataclass
class Counted(Packages):
    """One package, at hand; or a store that is down."""

    package: Package
    down: bool = False
    asked: int = 0

    def digests(self) -> dict[str, str]:
        self.asked += 1
        if self.down:
            raise StoreError("the store refuses access key 'secret'")
        return {"weather": self.package.digest}

    def obtain(self, name: str) -> Package:
        if self.down:
            raise StoreError("the store is down")
        return self.package


def model(name: str, package: Package) -> PackagedModel:
    return PackagedModel(name, package, revision="r", threads=1)


def repository(
    packages: Packages,
    took_over: list[PackagedModel],
    start: Callable[[str, Package], PackagedModel] = model,
) -> Repository:
    return Repository(ACCESS, packages, start, took_over.append)


def test_of_two_loads_at_once_the_second_is_refused_and_who_leaves_ends_neither(
    tiny_package: Package,
):
    begun, may_end = threading.Event(), threading.Event()
    took_over: list[PackagedModel] = []

    def slowly(name: str, package: Package) -> PackagedModel:
        begun.set()
        assert may_end.wait(10)
        return model(name, package)

    async def run() -> None:
        loads = repository(Counted(tiny_package), took_over, slowly)
        first = asyncio.create_task(loads.load("weather", ADMIN))
        await asyncio.to_thread(begun.wait, 10)
        with pytest.raises(ProtocolError, match="another package is being loaded") as refused:
            await loads.load("weather", ADMIN)
        assert refused.value.status == 503
        first.cancel()
        await asyncio.wait([first])
        assert took_over == []

        may_end.set()
        while not took_over:
            await asyncio.sleep(0)
        # The next one may.
        assert (await loads.load("weather", ADMIN)).name == "weather"

    asyncio.run(run())

    assert len(took_over) == 2


def test_a_store_that_fails_is_told_to_the_admin_and_to_nobody_else(tiny_package: Package):
    took_over: list[PackagedModel] = []
    loads = repository(Counted(tiny_package, down=True), took_over)

    def refused(asked: Any) -> ProtocolError:
        with pytest.raises(ProtocolError) as error:
            asyncio.run(asked)
        return error.value

    told, listed = refused(loads.load("weather", ADMIN)), refused(loads.digests())

    assert (told.status, str(told)) == (503, "the store is down")
    assert (listed.status, str(listed)) == (503, "what can be loaded is not known now")
    assert took_over == []


def test_many_who_ask_what_there_is_cost_one_look(tiny_package: Package):
    packages = Counted(tiny_package)

    async def ask() -> list[Any]:
        listed = repository(packages, [])
        return await asyncio.gather(*(listed.digests() for _ in range(50)))

    assert asyncio.run(ask()) == [{"weather": tiny_package.digest}] * 50
    assert packages.asked == 1


def test_a_folder_that_is_not_there_is_said_to_be(tmp_path: Path):
    with pytest.raises(PackageError, match=r"cannot look for packages in .*: No such file"):
        Packages(str(tmp_path / "nowhere"), tmp_path).digests()
