"""``python -m tests.soak.kills``: a rollout killed at seeded moments, and started again.

Each round releases a package under live traffic, kills the rollout's process (SIGKILL) at a moment
that the seed chooses, and starts the same command once more. A good package must end promoted, one
with permuted labels taken back, and no client request may fail.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench.figures import Figure, at_most, holds, noted, publish
from weathervane.client import classify
from weathervane.data.probes import make_probe, write_probes
from weathervane.data.scenes import WEATHERS, render_jpeg
from weathervane.errors import ExitCode
from weathervane.local import processes
from weathervane.local.platform import Platform
from weathervane.registry.package import Description, Package, read_package, seal
from weathervane.registry.spoil import relabel_package
from weathervane.registry.store import Store, package_key
from weathervane.registry.versions import Registry
from weathervane.rollout.local import LocalDeployment
from weathervane.rollout.port import Release

SERVICE = "weather"
PLAN = "steps: [20, 60]\nhold_seconds: 1\nmin_requests: 150\nmin_canary_requests: 20\n"
# Longer than a rollout that nobody disturbs, so that some moments come after its end.
LONGEST_SECONDS = 14.0


class Trial:
    """A platform with a stable revision, traffic, and packages to release."""

    def __init__(self, state: Path, tiny: Package) -> None:
        self._state = state
        self.platform = Platform(state)
        self.platform.up()
        self._store = Store(self.platform.store())
        self._registry = Registry(self.platform.addresses().tracking)
        self._tiny = tiny
        self._folder = state / "trial"
        self._folder.mkdir()
        self.deployment = LocalDeployment(state, SERVICE, self.platform.store())
        self.plan = self._folder / "plan.yaml"
        self.plan.write_text(PLAN)
        self.probes = self._folder / "probes"
        self.requests = self._folder / "requests.jsonl"
        self._deploy_first()

    def good(self, number: int) -> Release:
        """The same model under another digest."""
        folder = self._folder / f"good-{number}"
        shutil.copytree(self._tiny.folder, folder)
        description = Description(
            **{name: getattr(self._tiny, name) for name in Description.__dataclass_fields__}
        )
        return self._publish(seal(folder, replace(description, code_version=f"0.1.{number}")))

    def bad(self, number: int) -> Release:
        """The same model with its labels moved on by one, and more for each number."""
        shift = 1 + number % (len(WEATHERS) - 1)
        labels = (*self._tiny.labels[shift:], *self._tiny.labels[:shift])
        return self._publish(relabel_package(self._tiny, labels, self._folder / f"bad-{number}"))

    def start(self, release: Release) -> "subprocess.Popen[bytes]":
        """Begin or go on with a rollout in a process of its own."""
        command = ("rollout", "start", release.digest, "--plan", str(self.plan))
        with (self._folder / "rollout.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "weathervane.cli", *command, "--probes", str(self.probes)],
                env=_environment(self.platform),
                stdout=log,
                stderr=log,
            )

    @contextmanager
    def traffic(self, rate: float) -> Iterator[None]:
        """Clients, until the end."""
        pictures = self._folder / "pictures"
        pictures.mkdir()
        for number in range(10):
            (pictures / f"{number}.jpg").write_bytes(_picture(number))
        processes.start(
            self._state,
            "traffic",
            [
                *(sys.executable, "-m", "weathervane.local.traffic", "--model", SERVICE),
                *("--address", self.platform.addresses().gateway, "--pictures", str(pictures)),
                *("--rate", str(rate), "--out", str(self.requests)),
            ],
            environment={},
        )
        try:
            yield
        finally:
            processes.stop(self._state, "traffic")

    def failed_requests(self) -> tuple[int, int]:
        """Requests that the clients sent, and those of them that failed."""
        lines = [json.loads(line) for line in self.requests.read_text().splitlines()]
        return len(lines), sum(line["status"] != 200 for line in lines)

    def _deploy_first(self) -> None:
        first = self.good(0)
        self.deployment.start_canary(first)
        while not (canary := self.deployment.observe().canary) or not canary.ready:
            pass
        self.deployment.promote()
        pictures = [_picture(number) for number in range(40)]
        answers = classify(self.platform.addresses().gateway, SERVICE, pictures)
        write_probes(
            self.probes,
            [make_probe(p, a.label) for p, a in zip(pictures, answers, strict=True)],
        )

    def _publish(self, package: Package) -> Release:
        uri = self._store.upload_folder(package.folder, package_key(SERVICE, package.digest))
        self._registry.register(SERVICE, package.digest, uri)
        return Release(digest=package.digest, uri=uri)


def run(rounds: int, seed: int, tiny: Package) -> list[Figure]:
    """Kill and start again so many times, every third time with a bad package."""
    moments = random.Random(seed)
    right, killed, phases = 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder, "state"), tiny)
        try:
            with trial.traffic(rate=60):
                for number in range(1, rounds + 1):
                    is_bad = number % 3 == 0
                    release = trial.bad(number) if is_bad else trial.good(number)
                    before = trial.deployment.observe().stable
                    assert before
                    first = trial.start(release)
                    moment = moments.uniform(0.0, LONGEST_SECONDS)
                    try:
                        first.wait(moment)
                    except subprocess.TimeoutExpired:
                        first.kill()
                        first.wait()
                        killed += 1
                    code = trial.start(release).wait()
                    live = trial.deployment.observe()
                    wanted = before.digest if is_bad else release.digest
                    ended = live.stable is not None and live.stable.digest == wanted
                    settled = live.canary is None and live.weight == 0
                    expected = ExitCode.ROLLED_BACK if is_bad else ExitCode.DONE
                    right += ended and settled and code == expected
                    phases.append(f"{moment:.1f} s")
                    print(
                        f"round {number}: {'bad' if is_bad else 'good'} package, killed at "
                        f"{moment:.1f} s: {'right' if ended and settled else 'WRONG'}, exit {code}",
                        flush=True,
                    )
            sent, failed = trial.failed_requests()
        finally:
            trial.platform.down()
    return [
        holds("ended right after one rerun", f"{right} of {rounds}", f"{rounds}", right == rounds),
        noted("of them killed before their end", str(killed)),
        noted("client requests meanwhile", str(sent)),
        at_most("client requests that failed", failed, 0),
    ]


def _picture(number: int) -> bytes:
    return render_jpeg(WEATHERS[number % len(WEATHERS)], 5_000 + number)


def _environment(platform: Platform) -> dict[str, str]:
    import os

    return {**os.environ, **platform.environment()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "tiny")
        script = Path(__file__).parents[1] / "tiny_package.py"
        subprocess.run([sys.executable, "-P", str(script), str(package)], check=True)
        figures = run(options.rounds, options.seed, read_package(package))
    return publish("make soak-kill", figures, f"Seed {options.seed}.")


if __name__ == "__main__":
    sys.exit(main())
