"""A gateway with stand-ins for predictors behind it, and a client that counts."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weathervane.config import StoreConfig
from weathervane.local import gateway, processes
from weathervane.local.gateway import Gateway
from weathervane.local.ports import LOOPBACK, PortBook
from weathervane.local.servers import await_ready, launch
from weathervane.rollout.local import LocalDeployment
from weathervane.rollout.port import Release

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
# What no predictor could read; a stand-in does not look.
NOISE = tuple(os.urandom(20_000) for _ in range(3))
NO_STORE = StoreConfig(endpoint="http://127.0.0.1:1", access_key="a", secret_key="s")


def release(behaviour: str) -> Release:
    """A package for the stand-in."""
    return Release(digest=behaviour.ljust(64, "0"), uri=f"s3://nowhere/{behaviour}")


def await_true(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return when something holds; fail when it does not in time."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


@dataclass
class Site:
    """One state folder with a gateway."""

    state: Path
    deployment: LocalDeployment

    @property
    def gateway(self) -> Gateway:
        return Gateway(self.state)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{PortBook(self.state / 'ports.json').get(gateway.NAME)}"

    def await_ready(self) -> None:
        def ready() -> bool:
            live = self.deployment.observe()
            return all(one.ready for one in (live.stable, live.canary) if one)

        await_true(ready)

    def deploy(self, behaviour: str = "good") -> str:
        """Make a package stable; return its revision's name."""
        self.deployment.start_canary(release(behaviour))
        self.await_ready()
        self.deployment.promote()
        stable = self.deployment.observe().stable
        assert stable
        return stable.name

    def canary(self, behaviour: str = "better", weight: int = 0) -> str:
        """Start a canary and wait until it is ready; return its revision's name."""
        self.deployment.start_canary(release(behaviour))
        self.await_ready()
        if weight:
            self.deployment.set_weight(weight)
        canary = self.deployment.observe().canary
        assert canary
        return canary.name

    def kill(self, name: str) -> None:
        """SIGKILL a process of the platform, and return when it is gone."""
        for process in processes.find(self.state, name):
            process.kill()
        await_true(lambda: not processes.find(self.state, name))

    def restart_gateway(self) -> None:
        launch(self.state, gateway.server(self.state))
        await_ready(self.state, gateway.server(self.state))


class Traffic:
    """The traffic generator as a process of its own; its lines once it has ended."""

    def __init__(
        self, site: Site, folder: Path, rate: float, pictures: Sequence[bytes] = NOISE
    ) -> None:
        files = folder / "pictures"
        files.mkdir()
        for number, picture in enumerate(pictures):
            (files / f"{number}.jpg").write_bytes(picture)
        self._out = folder / "traffic.jsonl"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "weathervane.local.traffic"),
                *("--address", site.address, "--model", "weather"),
                *("--pictures", str(files), "--rate", str(rate), "--out", str(self._out)),
            ]
        )
        self.await_sent(1)

    def await_sent(self, more: int) -> None:
        """Return when so many more requests have come back."""
        had = self._sent()
        await_true(lambda: self._sent() >= had + more, 60)

    def end(self) -> list[dict[str, Any]]:
        """Stop it; every request that it sent is in the lines."""
        self._process.terminate()
        assert self._process.wait(30) == 0
        return [json.loads(line) for line in self._out.read_text().splitlines()]

    def kill(self) -> None:
        """End it however it is."""
        self._process.kill()
        self._process.wait()

    def _sent(self) -> int:
        return self._out.read_text().count("\n") if self._out.exists() else 0
