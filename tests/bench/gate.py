"""``make bench-gate``: the gate that is about a fault stops it, and honest models pass.

Twenty seeds of each: other pictures to learn from, to be tested by and to be spoilt. Faults that
show in the predictions are made there, on 3,000 rendered test pictures; faults of the graph are
made in real SavedModels, which are converted, answered and judged as the pipeline does.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.bench.figures import Figure, at_least, at_most, publish
from tests.evaluation import bad_models, bad_packages
from tests.evaluation.bad_models import HONEST, Pool, Sizes, World
from weathervane.config import GateConfig, SplitConfig, TrainConfig, ValidationConfig
from weathervane.data.manifest import build
from weathervane.data.prepare import Dataset, prepare
from weathervane.data.report import Report
from weathervane.data.scenes import write_sample
from weathervane.data.validation import validate
from weathervane.evaluation.gate import judge

SEEDS = 20
MANY = Sizes(train=600, validation=300, test=3000, probe=500)
# What the demo has; equal models are told apart by chance more often on so few.
FEW = replace(MANY, test=180, probe=90)
# With thousands of pictures, it can be asked to be shown that nothing is lost.
STRICT = GateConfig(advisory=("robustness", "latency_ratio"))
# What few pictures say is compared with the champion only: the models are near the absolute bounds.
LENIENT = GateConfig(min_accuracy=0.5, min_macro_f1=0.5, min_class_recall=0.1)
SLICE_PICTURES = 1000
PACKAGE_PICTURES, PIXELS = 200, 32
GOOD = "good"

Refusals = Mapping[str, Sequence[str]]  # the gates that refused each model, by its name


def judge_one(pictures: Pool, sizes: Sizes, config: GateConfig, seed: int) -> Refusals:
    """Every model of one world, through the gate."""
    from threadpoolctl import threadpool_limits

    world = World(pictures, sizes, seed)
    made = dict(HONEST) | {name: make for name, (_, make) in bad_models.BAD.items()}
    with threadpool_limits(1):  # each core has a process
        verdicts = {name: judge(make(world), world.champion, config) for name, make in made.items()}
    return {
        name: [gate.key for gate in verdict.gates if gate.refused]
        for name, verdict in verdicts.items()
    }


def predictions(seeds: Sequence[int]) -> Iterator[Figure]:
    workers = os.cpu_count() or 1
    pictures = bad_models.pool(MANY.total, processes=workers)
    assert pictures.features.size  # computed once, for all
    fewest = min(map(len, World(pictures, MANY, 0).slices.values()))
    yield at_least("pictures of a slice, the fewest", fewest, SLICE_PICTURES)
    # Spawned: a copy of a process that runs threads may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        many = list(pool.map(partial(judge_one, pictures, MANY, STRICT), seeds))
        few = list(pool.map(partial(judge_one, pictures, FEW, LENIENT), seeds))
    yield from _stopped(many, {name: gate for name, (gate, _) in bad_models.BAD.items()})
    yield from _passed(
        many, {name: f"{name}, shown to be no worse on {MANY.test}" for name in HONEST}
    )
    yield from _passed(few, {name: f"{name}, on {FEW.test}" for name in HONEST})


def package_one(folder: Path, report: Report, seed: int) -> Refusals:
    """A candidate that is trained on the pictures in ``folder``, and what is made of it."""
    from weathervane.training.train import train

    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        manifest = build(report, SplitConfig(seed=seed))
        dataset: Dataset = prepare(manifest, folder, PIXELS, here / "dataset")
        train(dataset, TrainConfig(epochs=3, seed=seed), here / GOOD)
        # No gate looks at explanations.
        look = replace(bad_packages.LOOK, explained=0)
        refused = {GOOD: bad_packages.refusals(here / GOOD, dataset, manifest, look=look)}
        for name, (_, spoil) in bad_packages.BAD.items():
            bad = bad_packages.spoilt(here / GOOD, spoil, here / name)
            refused[name] = bad_packages.refusals(bad, dataset, manifest, look=look)
    return refused


def packages(seeds: Sequence[int]) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch, "pictures")
        write_sample(pictures, PACKAGE_PICTURES, seed=1)
        report = validate(pictures, ValidationConfig())
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            judged = list(pool.map(partial(package_one, pictures, report), seeds))
    yield from package_figures(judged)


def package_figures(judged: Sequence[Refusals]) -> Iterator[Figure]:
    yield from _stopped(judged, {name: gate for name, (gate, _) in bad_packages.BAD.items()})
    yield from _passed(judged, {GOOD: "the candidates that they were made of"})


def _stopped(judged: Sequence[Refusals], gates: Mapping[str, str]) -> Iterator[Figure]:
    for name, gate in gates.items():
        stopped = sum(gate in one[name] for one in judged)
        yield at_least(f"{name}: stopped by `{gate}`, of {len(judged)}", stopped, len(judged))


def _passed(judged: Sequence[Refusals], told: Mapping[str, str]) -> Iterator[Figure]:
    for name, words in told.items():
        refused = Counter(key for one in judged for key in one[name])
        if refused:
            print(f"{words} was refused by {dict(refused)}", file=sys.stderr)
        passed = sum(not one[name] for one in judged)
        yield at_least(f"{words}: passed, of {len(judged)}", passed, math.ceil(0.95 * len(judged)))


PARTS = {"predictions": predictions, "packages": packages}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for, and write each as it ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gate", description=__doc__)
    parser.add_argument("--part", choices=PARTS, help="default: all")
    options = parser.parse_args(arguments)
    code = 0
    for part in [options.part] if options.part else PARTS:
        begun, figures = time.monotonic(), []
        for figure in PARTS[part](range(SEEDS)):
            print(f"{figure.name}: {figure.shown}", file=sys.stderr, flush=True)
            figures.append(figure)
        figures.append(at_most("seconds", round(time.monotonic() - begun), 1200))
        code |= publish(f"make bench-gate PART={part}", figures)
    return code


if __name__ == "__main__":
    sys.exit(main())
