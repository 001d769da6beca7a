"""The compiled release pipeline on a real platform: released, taken back, cut off."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from kfp import compiler, dsl

from components.roll_out import roll_out
from components.take_back import take_back
from pipelines.releasing import run_release
from weathervane.data.probes import make_probe, write_probes
from weathervane.errors import PackageError, UsageError, WeathervaneError
from weathervane.local import processes
from weathervane.local.platform import Platform
from weathervane.registry.package import LITERT_MODEL, Package
from weathervane.registry.spoil import relabel_package
from weathervane.registry.store import Store, package_key, probes_key
from weathervane.registry.versions import CHALLENGER, CHAMPION, Registry
from weathervane.rollout.service import LocalService

PLAN = {"steps": [50], "min_probes": 3, "hold_seconds": 0.2, "interval_seconds": 0.2}


@dataclass
class Place:
    """A platform, and a registry to release from."""

    platform: Platform
    service: LocalService
    registry: Registry
    tiny: Package
    folder: Path

    def challenge(self, package: Package) -> None:
        """Register a package as the training pipeline would."""
        uri = self.service.store.upload_folder(
            package.folder, package_key("weather", package.digest)
        )
        self.registry.register("weather", package.digest, uri)
        self.registry.set_alias("weather", CHALLENGER, package.digest)

    def mislabelled(self, name: str, shift: int = 1) -> Package:
        labels = (*self.tiny.labels[shift:], *self.tiny.labels[:shift])
        return relabel_package(self.tiny, labels, self.folder / name)

    def live(self) -> tuple[str | None, bool]:
        """The stable package, and whether there is a canary."""
        seen = self.service.deployment.observe()
        return seen.stable.digest if seen.stable else None, seen.canary is not None

    def run(self, **more: object) -> object:
        return run_release(
            folder=self.platform.state / "pipeline",
            environment=self.platform.environment(),
            **{"plan": PLAN, **more},
        )


@pytest.fixture(scope="module")
def place(
    tiny_package: Package,
    empty_tracking_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("release")
    platform = Platform(folder / "state", environment={})
    (platform.state / "tracking").mkdir(parents=True)
    database = platform.state / "tracking" / "mlflow.db"
    database.write_bytes(empty_tracking_database.read_bytes())
    try:
        addresses = platform.up()
        probes = [
            make_probe(
                one.picture, tiny_package.labels[one.probabilities.index(max(one.probabilities))]
            )
            for one in tiny_package.golden()
        ]
        write_probes(folder / "probes", probes)
        store = Store(platform.store())
        key = probes_key(tiny_package.data_digest)
        store.upload_folder(folder / "probes", key, last="probes.json")
        yield Place(
            platform,
            LocalService(platform, "weather"),
            Registry(addresses.tracking, store=platform.store()),
            tiny_package,
            folder,
        )
    finally:
        processes.stop(platform.state)


@pytest.fixture(scope="module")
def released(place: Place) -> object:
    place.challenge(place.tiny)
    return place.run()


def test_the_challenger_is_released_and_the_alias_follows(place: Place, released):
    champion = place.registry.alias("weather", CHAMPION)

    assert (released.promoted, released.digest) == (True, place.tiny.digest)
    assert [step.name for step in released.steps] == [
        *("resolve", "verify", "smoke_test", "roll_out", "take_back")
    ]
    assert champion
    assert champion.digest == place.tiny.digest
    assert place.live() == (place.tiny.digest, False)
    assert "**Promoted**" in released.summary


def test_wrong_labels_are_taken_back_and_end_the_command_with_5_and_a_summary(
    place: Place, released
):
    place.challenge(place.mislabelled("wrong"))
    (place.folder / "plan.yaml").write_text("\n".join(f"{k}: {v}" for k, v in PLAN.items()))
    summary = place.folder / "summary.md"

    done = subprocess.run(
        [
            *(sys.executable, "-m", "weathervane.cli", "pipeline", "release"),
            *("--plan", str(place.folder / "plan.yaml"), "--summary", str(summary)),
        ],
        env={**os.environ, **place.platform.environment()},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 5, done.stderr
    assert "**Taken back**" in summary.read_text()
    assert place.live() == (place.tiny.digest, False)


def last_steps(uri: str, file: Path) -> Path:
    """The pipeline's last step and its exit handler, compiled: what comes before takes its time."""

    @dsl.pipeline(name="last-steps")
    def pipeline(
        model: str = "weather",
        package: str = "",
        plan: dict = {},  # noqa: B006 - kfp reads it, nobody changes it
        who: str = "",
    ):
        run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        with dsl.ExitHandler(take_back(model=model, who=who, namespace="", run=run)):
            roll_out(
                model=model,
                digest=package,
                uri=uri,
                plan=plan,
                who=who,
                namespace="",
                image="",
                run=run,
            )

    compiler.Compiler().compile(pipeline, str(file))
    return file


def test_a_rollout_that_is_cut_off_leaves_no_canary(place: Place, released, tmp_path: Path):
    blind = place.mislabelled("blind", shift=2)
    place.challenge(blind)
    uri = place.service.store.uri(package_key("weather", blind.digest))
    said: list[str] = []

    def kill_while_it_serves(line: str) -> None:
        said.append(line)
        if line.startswith("roll_out: ") and place.service.deployment.observe().weight:
            for process in psutil.process_iter(["cmdline"]):
                words = process.info["cmdline"] or []
                if "roll_out" in words and any(str(place.folder) in word for word in words):
                    process.kill()

    with pytest.raises(WeathervaneError, match="roll_out"):
        place.run(
            plan={**PLAN, "min_probes": 0},
            package=blind.digest,
            definition=last_steps(uri, tmp_path / "last.yaml"),
            progress=kill_while_it_serves,
        )

    assert any(line.startswith("take_back: taken back: ") for line in said)
    assert place.live() == (place.tiny.digest, False)


def test_an_altered_package_is_refused_before_there_is_a_canary(place: Place, released):
    altered = place.mislabelled("altered", shift=3)
    place.challenge(altered)
    stored = place.platform.state / "store" / "weathervane"
    (stored / package_key("weather", altered.digest) / LITERT_MODEL).write_bytes(b"altered")
    said: list[str] = []

    with pytest.raises(PackageError, match="altered"):
        place.run(package=altered.digest, progress=said.append)

    assert "take_back: no rollout was left" in said
    assert not any(line.startswith("smoke_test") for line in said)
    assert place.live() == (place.tiny.digest, False)


def test_a_plan_that_is_none_is_refused_before_anything_runs(tmp_path: Path):
    with pytest.raises(UsageError, match="stepps"):
        run_release(folder=tmp_path / "runs", environment={}, plan={"stepps": [5]})

    assert not (tmp_path / "runs").exists()
