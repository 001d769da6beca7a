"""The main job on one machine, in acts: pictures in, a judged model out, bad models taken back.

In: a `Script`. Out: a `Summary`, and on disk a report. Whatever happens, no process of ours is
left, unless the platform was asked to stay.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.demo.pace import steady_rate
from pipelines.demo.releases import Releaser
from pipelines.demo.report import write_report
from pipelines.demo.script import Script
from pipelines.demo.summary import Act, Release, Summary, Training
from pipelines.demo.traffic import read_requests, summarise
from pipelines.run import PipelineResult, run_training
from weathervane.data.scenes import write_sample
from weathervane.data.sources import list_pictures
from weathervane.errors import PlatformError
from weathervane.folders import forget_old_runs
from weathervane.local import processes
from weathervane.local.platform import Platform
from weathervane.registry.package import read_package
from weathervane.registry.spoil import relabel_package
from weathervane.rollout.port import Release as Rollable
from weathervane.rollout.release import repair_champion
from weathervane.rollout.service import open_service

SERVICE = "weather"
# The first model is there to be beaten: it learns for a short time, and little is asked of it.
_FIRST_TRAINING: Mapping[str, Any] = {
    "train": {"epochs": 5},
    "gate": {
        "min_accuracy": 0.35,
        "min_macro_f1": 0.25,
        "min_class_recall": 0.0,
        "max_ece": 1.0,
        "min_slice_accuracy": 0.0,
    },
}
_TRAFFIC = "traffic"


def play(script: Script, say: Callable[[str], None]) -> Summary | None:
    """Play every act; None when it was told to end with the first champion.

    A training whose candidates are all refused ends the play: there is nothing to release.
    """
    stage = _Stage(script, say)
    stays = False
    try:
        stage.set_up()
        served = stage.first_champion()
        if served and script.until_champion:
            stays = True
            return None
        if served and stage.better_candidate():
            with stage.traffic():
                stage.canary()
                stage.permuted_labels()
                stage.slow_model()
        return stage.close()
    finally:
        if not stays:
            stage.platform.down()


class _Stage:
    """What the acts share, and what they leave behind for the summary."""

    def __init__(self, script: Script, say: Callable[[str], None]) -> None:
        self.platform = Platform(script.state)
        self._script = script
        self._say = say
        self._begun_at = time.time()
        self._folder = script.state / "demo" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
        self._data = script.data or script.state / f"sample-{script.pictures}"
        self._requests = self._folder / "requests.jsonl"
        self._acts: list[Act] = []
        self._trainings: list[Training] = []
        self._releases: list[Release] = []
        self._rate = 0.0  # requests a second, once there are models to take them

    def set_up(self) -> None:
        """Start the platform, and render pictures meanwhile when there are none."""
        with self._act("the platform of this machine") as ended, ThreadPoolExecutor(1) as aside:
            # A folder that cannot be read is said before anything is started.
            if self._script.data:
                list_pictures(self._script.data)
            sample = aside.submit(self._render_sample)
            addresses = self.platform.up(progress=self._say)
            sample.result()
            ended(f"up: gateway {addresses.gateway}, MLflow {addresses.tracking}")
        forget_old_runs(self._folder.parent)
        self._folder.mkdir(parents=True)
        self._service = open_service(SERVICE, self.platform.state)
        self._releaser = Releaser(self._service, self._script.plan, "demo", self._say)
        self._releaser.take_back_what_was_interrupted()

    def first_champion(self) -> bool:
        """Train a first model and deploy it, unless there is one; whether one is served."""
        with self._act("the first champion") as ended:
            if live := self._service.deployment.observe().stable:
                repair_champion(self._service.deployment, self._service.registry, SERVICE)
                ended(f"found: {live.name} serves package {live.digest[:12]}")
                return True
            if not self._train("a first model, trained briefly", ["cnn"], _FIRST_TRAINING).passed:
                ended("the gate refused it", as_told=False)
                return False
            release = self._release("first deployment", self._releaser.challenger())
            ended(release.why, as_told=release.promoted)
            return release.promoted

    def better_candidate(self) -> bool:
        """Train candidates in earnest; whether one passes the gate against the champion."""
        script = self._script
        with self._act("a better candidate") as ended:
            result = self._train(
                "candidates, against the champion", script.architectures, script.settings
            )
            if result.passed:
                ended(f"{result.judgement.chosen} passed every gate, version {result.version}")
            else:
                ended("the gate refused every candidate", as_told=False)
            return result.passed

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Clients that send pictures all the time, in a process of their own."""
        challenger = self._releaser.challenger()
        probes = self._releaser.probes(challenger)
        pictures = self._folder / "pictures"
        pictures.mkdir()
        for probe in probes:
            (pictures / f"{probe.sha256}.jpg").write_bytes(probe.picture)
        self._rate = self._script.requests_per_second or min(
            steady_rate(package, [probe.picture for probe in probes])
            for package in (
                self._releaser.package(self._releaser.champion(), self._folder / "first"),
                self._releaser.package(challenger, self._folder / "better"),
            )
        )
        processes.start(
            self.platform.state,
            _TRAFFIC,
            [
                *(sys.executable, "-P", "-m", "weathervane.local.traffic", "--model", SERVICE),
                *("--address", self.platform.addresses().gateway, "--pictures", str(pictures)),
                *("--rate", f"{self._rate:.0f}", "--out", str(self._requests)),
            ],
            environment={},
        )
        try:
            yield
        finally:
            processes.stop(self.platform.state, _TRAFFIC)

    def canary(self) -> None:
        """Release the better candidate step by step."""
        with self._act("released by canary under live traffic") as ended:
            release = self._release("the better candidate", self._releaser.challenger())
            ended("promoted" if release.promoted else release.why, as_told=release.promoted)

    def permuted_labels(self) -> None:
        """Push a model that answers 200 with wrong classes past the gate."""
        with self._act("a model with permuted labels, pushed past the gate") as ended:
            live = self._releaser.champion()
            champion = self._releaser.package(live, self._folder / "champion")
            labels = (*champion.labels[1:], champion.labels[0])
            bad = relabel_package(champion, labels, self._folder / "permuted")
            release = self._release("permuted labels", self._releaser.upload(bad))
            unseen = not release.promoted and not release.weights
            ended(f"stopped at {release.steps[-1].weight} %: {release.why}", as_told=unseen)

    def slow_model(self) -> None:
        """Push a model that is right, but falls over under load, past the gate."""
        with self._act("a model that is right but too slow under load") as ended:
            bad = self._releaser.upload(read_package(self._make_slow()))
            release = self._release("too slow under load", bad)
            reached = release.steps[-1].weight
            at_first = not release.promoted and reached == self._script.plan.weights[0]
            ended(
                f"taken back at {reached} % after it failed {release.canary_failed} requests; "
                f"stable failed {release.stable_failed}",
                as_told=at_first and release.stable_failed == 0,
            )

    def close(self) -> Summary:
        """Add up, and write what is left for people and for machines."""
        requests = read_requests(self._requests) if self._requests.exists() else []
        page, values = self._folder / "report.html", self._folder / "summary.json"
        champion = self._service.deployment.observe().stable
        summary = Summary(
            begun_at=self._begun_at,
            seconds=time.time() - self._begun_at,
            data=self._script.told,
            classes={
                label: len(files) for label, files in list_pictures(self._data).classes.items()
            },
            acts=tuple(self._acts),
            trainings=tuple(self._trainings),
            releases=tuple(self._releases),
            traffic=summarise(requests),
            champion=champion.digest if champion else "",
            places={
                "report": str(page),
                "summary": str(values),
                "rollout record": str(self._service.journal.record),
                "requests": str(self._requests),
            },
        )
        write_report(summary, requests, page)
        values.write_bytes(summary.as_json())
        return summary

    @contextmanager
    def _act(self, title: str) -> Iterator[Callable[..., None]]:
        """Time an act; it says itself how it ended."""
        self._say(f"\n── {title}")
        begun = time.monotonic()

        def ended(how: str, *, as_told: bool = True) -> None:
            seconds = time.monotonic() - begun
            self._acts.append(Act(title=title, ended=how, seconds=seconds, as_told=as_told))
            self._say(f"{'✓' if as_told else '✗'} {how} ({seconds:.0f} s)")

        yield ended

    def _render_sample(self) -> None:
        if self._script.data is None and not self._data.exists():
            write_sample(self._data, self._script.pictures, seed=0)
            self._say(f"{self._script.told}: {self._data}")

    def _train(
        self, title: str, architectures: Sequence[str], settings: Mapping[str, Any]
    ) -> PipelineResult:
        result = run_training(
            str(self._data),
            folder=self.platform.state / "pipeline",
            environment=self.platform.environment(),
            architectures=architectures,
            image_size=self._script.image_size,
            weights=self._script.weights,
            settings=settings,
            model=SERVICE,
            progress=self._say,
        )
        judgement = result.judgement
        self._trainings.append(
            Training(
                title=title,
                chosen=judgement.chosen,
                digest=result.digest,
                accuracies={
                    name: one.figures.accuracy for name, one in judgement.evaluations.items()
                },
                verdicts=judgement.verdicts,
                report=str(result.comparison_report),
            )
        )
        return result

    def _make_slow(self) -> Path:
        """A copy of the champion's package too slow for its first step, by a half."""
        first_step = self._rate * self._script.plan.weights[0] / 100
        source, target = self._folder / "champion", self._folder / "slow"
        # A process of its own: TensorFlow's memory and threads end with it.
        made = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "pipelines.demo.slow"),
                *(str(source), str(target), f"{1.5 / first_step:.3f}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise PlatformError(f"no slow model could be made: {made.stderr.strip()[-300:]}")
        return target

    def _release(self, title: str, what: Rollable) -> Release:
        release = self._releaser.release(title, what)
        self._releases.append(release)
        return release
