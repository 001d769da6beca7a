"""``python -m tests.soak.training``: trainings killed at seeded moments, and started again.

Each round trains a candidate, packages it, brings it to the store and registers it, in a process
that is killed (SIGKILL) at a moment that the seed chooses, and then runs the same once more. The
candidate must have the figures and give the answers of the one that nobody killed, nothing that is
not whole may be seen meanwhile, and the package must be there once, under the digest that it had.
Rounds take turns: a network trained whole, a head on a backbone, a backbone whose top learns on.
"""

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from tests.bench.figures import Figure, holds, noted, publish
from weathervane import config
from weathervane.config import SplitConfig, TrainConfig, ValidationConfig
from weathervane.data.manifest import build
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.scenes import write_sample
from weathervane.data.validation import validate
from weathervane.errors import StoreError, WeathervaneError
from weathervane.local.platform import Platform
from weathervane.registry.package import DESCRIPTION, read_package
from weathervane.registry.store import Store, package_key
from weathervane.registry.versions import Registry
from weathervane.saved_model import SavedModel
from weathervane.training.record import TrainingRecord

_SIZE = 64
_LOOK_SECONDS = 0.02
_WHOLE = TrainConfig(epochs=8, patience=8)
BACKBONE = "backbone.weights.h5"
_HEAD = replace(_WHOLE, architecture="mobilenetv2", weights=BACKBONE, seed=1)
WAYS = {
    "whole": _WHOLE,
    "head": _HEAD,
    "top": replace(_HEAD, epochs=4, unfrozen_layers=3),
}


def steps(folder: Path, way: str) -> None:
    """What the killed process does: each step goes on from what is whole of the one before."""
    from weathervane.registry.packaging import build_package
    from weathervane.training.cache import Cache
    from weathervane.training.train import train

    here = folder / "round"
    if not (here / "candidate").exists():
        settings = WAYS[way]
        if settings.weights:
            settings = replace(settings, weights=str(folder / settings.weights))
        dataset = Dataset.open(folder / "dataset")
        train(dataset, settings, here / "candidate", cache=Cache.at(here / "cache"))
    record = TrainingRecord.read(here / "candidate" / "training.json")
    if not (here / "package").exists():
        build_package(
            here / "candidate" / "model",
            here / "package",
            model=way,
            labels=record.classes,
            size=record.size,
            data_digest=record.data_digest,
            code_version=record.versions["weathervane"],
        )
    package = read_package(here / "package")
    store = Store(config.store_from_environment())
    uri = store.upload_folder(package.folder, package_key(way, package.digest))
    Registry(config.tracking_uri(), store=store.config).register(way, package.digest, uri)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the steps left, of which a kill may change nothing but the digest and the seconds."""

    record: TrainingRecord
    answers: NDArray[np.float32]  # of the candidate to the test pictures
    digest: str
    versions: int  # registered under that digest
    stored: bool

    def same_figures(self, other: "Outcome") -> bool:
        """Whether two trainings came to the same."""
        told = [replace(one.record, seconds=0.0) for one in (self, other)]
        return told[0] == told[1] and np.array_equal(self.answers, other.answers)


class Trial:
    """Pictures, a backbone, a store, an MLflow; and one folder for the round that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._round = folder, folder / "round"
        self.platform = Platform(folder / "state")
        self.platform.up()
        self._store = Store(self.platform.store())
        self._registry = Registry(self.platform.addresses().tracking)
        write_sample(folder / "pictures", 300, seed=0)
        manifest = build(validate(folder / "pictures", ValidationConfig()), SplitConfig())
        self._dataset = prepare(manifest, folder / "pictures", _SIZE, folder / "dataset")
        _write_backbone(folder / BACKBONE)

    def begin(self, way: str) -> "subprocess.Popen[bytes]":
        """The steps, in a process of their own."""
        with (self._folder / "steps.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.soak.training", "--steps", str(self._folder), way],
                env={**os.environ, **self.platform.environment()},
                stdout=log,
                stderr=log,
            )

    def unbroken(self, way: str) -> tuple[float, Outcome]:
        """How much of a core they need when nobody kills them, and what comes out."""
        before = _seconds_of_children()
        if self.begin(way).wait():
            raise RuntimeError((self._folder / "steps.log").read_text()[-2000:])
        return _seconds_of_children() - before, self.outcome(way)

    def digest(self) -> str | None:
        """Of the package that can be seen, after a look at whether all that can be is whole.

        Raises:
            WeathervaneError: for what is not.
        """
        candidate, package = self._round / "candidate", self._round / "package"
        if candidate.exists():
            TrainingRecord.read(candidate / "training.json")
            SavedModel(candidate / "model")
        return read_package(package).digest if package.exists() else None

    def outcome(self, way: str) -> Outcome:
        """What the round left; its folder is taken away."""
        candidate, digest = self._round / "candidate", self.digest()
        assert digest
        pictures, _ = self._dataset.arrays("test")
        found = self._registry._client.search_model_versions(f"name='{way}'")
        outcome = Outcome(
            record=TrainingRecord.read(candidate / "training.json"),
            answers=SavedModel(candidate / "model")(np.ascontiguousarray(pictures)),
            digest=digest,
            versions=sum(one.tags["digest"] == digest for one in found),
            stored=self.stored(way, digest),
        )
        shutil.rmtree(self._round)
        return outcome

    def stored(self, way: str, digest: str) -> bool:
        """Whether the store shows the package.

        Raises:
            PackageError: when it shows one that is not whole.
        """
        with tempfile.TemporaryDirectory() as scratch:
            fetched = Path(scratch, "package")
            try:
                self._store.download_folder(package_key(way, digest), fetched)
            except StoreError:  # nothing lies there
                return False
            if not (fetched / DESCRIPTION).exists():
                return False
            read_package(fetched, digest)
        return True


def _seconds_of_children() -> float:
    """What the processes that ended had of a core."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kill_at(process: "subprocess.Popen[bytes]", moment: float) -> bool:
    """Kill it when it has had so many seconds of a core; False: it had ended before.

    By the clock, a moment would be another one whenever others use the machine.
    """
    watched = psutil.Process(process.pid)
    while process.poll() is None and sum(watched.cpu_times()[:2]) < moment:
        time.sleep(_LOOK_SECONDS)
    ended = process.poll() is not None
    process.kill()
    process.wait()
    return not ended


def _write_backbone(path: Path) -> None:
    from keras import applications, utils

    utils.set_random_seed(0)
    shape = (_SIZE, _SIZE, 3)
    applications.MobileNetV2(weights=None, include_top=False, input_shape=shape).save_weights(path)


def run(rounds: int, seed: int) -> list[Figure]:
    """Kill and start again so many times."""
    drawn = random.Random(seed)
    # One in each part of a training, from its beginning to its end.
    parts = drawn.sample(range(rounds), rounds)
    right = whole = once = killed = packaged = 0
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        try:
            unbroken = {way: trial.unbroken(way) for way in WAYS}
            for number, part, way in zip(range(1, rounds + 1), parts, cycle(WAYS)):
                seconds, wanted = unbroken[way]
                moment = (part + drawn.random()) / rounds * seconds
                killed += kill_at(trial.begin(way), moment)
                before = None
                try:
                    before = trial.digest()
                    if before:
                        packaged += 1
                        trial.stored(way, before)
                    whole += 1
                except WeathervaneError as error:
                    print(f"round {number}: not whole after the kill: {error}")
                code = trial.begin(way).wait()
                ended = trial.outcome(way)
                same = code == 0 and ended.same_figures(wanted)
                right += same
                once += ended.stored and ended.versions == 1 and before in {None, ended.digest}
                print(
                    f"round {number}: {way}, killed after {moment:.1f} of {seconds:.1f} seconds of "
                    f"a core, {'with' if before else 'before'} a package: "
                    f"{'the same' if same else 'OTHER'} figures",
                    flush=True,
                )
        finally:
            trial.platform.down()

    def every(name: str, count: int) -> Figure:
        return holds(name, f"{count} of {rounds}", f"{rounds}", count == rounds)

    return [
        every("the figures and answers of the unbroken training, after one rerun", right),
        every("nothing partial to be seen after the kill", whole),
        every("one version, stored whole, under the digest that it had", once),
        noted("of them killed before their end", str(killed)),
        noted("of them with a package that was there already", str(packaged)),
        noted(
            "seconds of a core, of the unbroken ones",
            ", ".join(f"{way} {seconds:.0f}" for way, (seconds, _) in unbroken.items()),
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the figures; or, with ``--steps``, be what is killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", nargs=2, metavar=("FOLDER", "WAY"))
    options = parser.parse_args(arguments)
    if options.steps:
        steps(Path(options.steps[0]), options.steps[1])
        return 0
    return publish("make soak-training", run(options.rounds, options.seed), f"Seed {options.seed}.")


if __name__ == "__main__":
    sys.exit(main())
