"""``python -m tests.soak.rollout``: rollouts through real Envoy against the reliability bounds.

Each figure is headed by its row. ``--rows 1 9`` runs some of them only, ``--small`` few
repetitions of each: what ``make test`` runs as well.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.bench.figures import Figure, publish
from tests.soak import crash_rows, failure_rows, traffic_rows
from tests.soak.ground import Ground, real_ground, stand_in_ground
from weathervane.registry.package import Package, read_package

Row: TypeAlias = Callable[[Ground], Iterator[Figure]]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How often each row is repeated."""

    steps: tuple[int, ...] = (10, 25, 50)
    requests_a_step: int = 10_000
    points: float = 1.5  # three standard deviations of the split at 50 % and 10,000 requests
    releases: int = 20
    weights: int = 200
    replica_deaths: int = 20
    crashes: int = 10
    never_ready: int = 6
    wrong_labels: int = 20
    lies: int = 50
    every_moment: int = 1
    killed_rollouts: int = 50
    races: int = 20
    aborts: int = 5
    alias_races: int = 100


FULL = Size()
SMALL = Size(
    steps=(20, 50),
    requests_a_step=150,
    points=16.0,
    releases=1,
    weights=20,
    replica_deaths=2,
    crashes=1,
    never_ready=2,
    wrong_labels=1,
    lies=1,
    every_moment=29,
    killed_rollouts=1,
    races=2,
    aborts=1,
    alias_races=3,
)


def on_predictors(size: Size) -> dict[int, Row]:
    """Rows that are about predictors, or whose traffic they answer."""
    return {
        1: lambda ground: traffic_rows.full_canary(
            ground,
            steps=size.steps,
            requests_a_step=size.requests_a_step,
            points=size.points,
        ),
        2: lambda ground: traffic_rows.many_releases(ground, times=size.releases),
        4: lambda ground: traffic_rows.new_weights(ground, times=size.weights),
        10: lambda ground: failure_rows.a_canary_crashes(ground, times=size.crashes),
        11: lambda ground: failure_rows.never_ready(ground, times=size.never_ready),
        12: lambda ground: failure_rows.wrong_labels(ground, times=size.wrong_labels),
        16: lambda ground: crash_rows.killed_every_few_seconds(ground, times=size.killed_rollouts),
    }


def on_two_replicas(size: Size) -> dict[int, Row]:
    """Rows about a revision of several predictors."""
    return {9: lambda ground: traffic_rows.a_replica_dies(ground, times=size.replica_deaths)}


def on_stand_ins(size: Size, tracking: str) -> dict[int, Row]:
    """Rows about the rollout, the gateway and MLflow: who answers is all the same to them."""
    return {
        14: lambda ground: failure_rows.figures_lie(ground, times=size.lies),
        15: lambda ground: crash_rows.killed_at_every_write(ground, every=size.every_moment),
        20: lambda ground: crash_rows.written_at_once(ground, times=size.races),
        21: lambda ground: crash_rows.aborted(ground, times=size.aborts),
        38: lambda ground: crash_rows.the_alias_follows(
            ground, tracking=tracking, times=size.alias_races
        ),
    }


def run(size: Size, tiny: Package, tracking: str, rows: Sequence[int]) -> Iterator[Figure]:
    """The figures of the rows asked for, one after the other; none: of all."""
    grounds = (
        (on_predictors(size), lambda: real_ground(tiny)),
        (on_two_replicas(size), lambda: real_ground(tiny, replicas=2)),
        (on_stand_ins(size, tracking), stand_in_ground),
    )
    for table, open_ground in grounds:
        asked = [row for number, row in table.items() if not rows or number in rows]
        if asked:
            with open_ground() as ground:
                for row in asked:
                    yield from row(ground)


@contextmanager
def _tiny_package() -> Iterator[Package]:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "tiny")
        script = Path(__file__).parents[1] / "tiny_package.py"
        subprocess.run([sys.executable, "-P", str(script), str(package)], check=True)
        yield read_package(package)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print each figure as it comes and the table at the end, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.rollout", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[], help="default: all")
    parser.add_argument("--small", action="store_true", help="few repetitions; nothing is written")
    options = parser.parse_args(arguments)
    figures = []
    with _tiny_package() as tiny, tempfile.TemporaryDirectory() as folder:
        tracking = f"sqlite:///{folder}/mlflow.db"
        for figure in run(SMALL if options.small else FULL, tiny, tracking, options.rows):
            figures.append(figure)
            print(f"{figure.name}: {figure.shown} ({figure.bound})", flush=True)
    if options.small or options.rows:
        return 0 if all(figure.ok for figure in figures) else 1
    return publish("make soak-rollout", figures)


if __name__ == "__main__":
    sys.exit(main())
