"""``python -m tests.soak.rollout``: rollouts through real Envoy against the reliability bounds.

Each row's figures are a section of their own in ``docs/figures.md``. ``--rows 1 9`` runs some of
them only, ``--small`` few repetitions of each: what ``make test`` runs as well.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.bench.figures import Figure, publish
from tests.soak import crash_rows, failure_rows, judgement_rows, traffic_rows
from tests.soak.ground import Ground, real_ground, stand_in_ground
from weathervane.registry.package import Package, read_package

Row: TypeAlias = Callable[[Ground], Iterator[Figure]]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How often each row is repeated."""

    steps: tuple[int, ...] = (10, 25, 50)
    requests_a_step: int = 10_000
    rate: float | None = None  # requests a second; 70 % of the measured capacity
    points: float = 1.5  # three standard deviations of the split at 50 % and 10,000 requests
    releases: int = 20
    weights: int = 200
    replica_deaths: int = 20
    crashes: int = 10
    never_ready: int = 6
    wrong_labels: int = 20
    equal: int = 200
    slower: int = 60
    lies: int = 50
    every_moment: int = 1
    killed_rollouts: int = 50
    kills_each: int = 6
    races: int = 20
    aborts: int = 5
    jumps: int = 5
    jumped_hold: float = 5.0  # seconds
    alias_races: int = 100


FULL = Size()
SMALL = Size(
    steps=(20, 50),
    requests_a_step=150,
    rate=50.0,  # other tests run beside it
    points=16.0,
    releases=1,
    weights=20,
    replica_deaths=2,
    crashes=1,
    never_ready=2,
    wrong_labels=1,
    equal=1,
    slower=1,
    lies=1,
    every_moment=29,
    killed_rollouts=1,
    kills_each=2,
    races=2,
    aborts=1,
    jumps=1,
    jumped_hold=1.0,
    alias_races=3,
)


def on_predictors(size: Size) -> dict[int, Row]:
    """Rows that are about predictors, or whose traffic they answer. Row 3 is a part of row 1."""
    return {
        1: lambda ground: traffic_rows.full_canary(
            ground,
            steps=size.steps,
            requests_a_step=size.requests_a_step,
            points=size.points,
            rate=size.rate,
        ),
        2: lambda ground: traffic_rows.many_releases(ground, times=size.releases),
        4: lambda ground: traffic_rows.new_weights(ground, times=size.weights),
        10: lambda ground: failure_rows.a_canary_crashes(ground, times=size.crashes),
        11: lambda ground: failure_rows.never_ready(ground, times=size.never_ready),
        12: lambda ground: failure_rows.wrong_labels(ground, times=size.wrong_labels),
        16: lambda ground: crash_rows.killed_every_few_seconds(
            ground, times=size.killed_rollouts, kills_each=size.kills_each
        ),
    }


def on_two_replicas(size: Size) -> dict[int, Row]:
    """Rows about a revision of several predictors."""
    return {9: lambda ground: traffic_rows.a_replica_dies(ground, times=size.replica_deaths)}


def on_stand_ins(size: Size, tracking: str) -> dict[int, Row]:
    """Rows about the rollout, the gateway and MLflow: who answers is all the same to them."""
    return {
        10: lambda ground: failure_rows.a_canary_fails(ground, times=size.crashes),
        13: lambda ground: judgement_rows.latency_regressions(
            ground, equal=size.equal, worse=size.slower
        ),
        14: lambda _: failure_rows.figures_lie(times=size.lies),
        15: lambda ground: crash_rows.killed_at_every_write(ground, every=size.every_moment),
        20: lambda ground: crash_rows.written_at_once(ground, times=size.races),
        21: lambda ground: crash_rows.aborted(ground, times=size.aborts),
        23: lambda ground: judgement_rows.the_wall_clock_jumps(
            ground, times=size.jumps, hold_seconds=size.jumped_hold
        ),
        38: lambda ground: crash_rows.the_alias_follows(
            ground, tracking=tracking, times=size.alias_races
        ),
    }


def run(
    size: Size, tiny: Package, tracking: str, rows: Sequence[int]
) -> Iterator[tuple[int, list[Figure]]]:
    """Each of the rows asked for and its figures, one after the other; none: all of them."""
    grounds = (
        (on_predictors(size), lambda: real_ground(tiny)),
        (on_two_replicas(size), lambda: real_ground(tiny, replicas=2)),
        (on_stand_ins(size, tracking), stand_in_ground),
    )
    for table, open_ground in grounds:
        asked = {number: row for number, row in table.items() if not rows or number in rows}
        if asked:
            with open_ground() as ground:
                for number, row in asked.items():
                    yield number, list(row(ground))


@contextmanager
def _tiny_package() -> Iterator[Package]:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "tiny")
        script = Path(__file__).parents[1] / "tiny_package.py"
        subprocess.run([sys.executable, "-P", str(script), str(package)], check=True)
        yield read_package(package)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print each row's figures as it ends, and write them."""
    known = sorted({*on_predictors(FULL), *on_two_replicas(FULL), *on_stand_ins(FULL, "")})
    parser = argparse.ArgumentParser(prog="python -m tests.soak.rollout", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[], choices=known, help="or all")
    parser.add_argument("--note", default="", help="what else ran, for whoever reads the figures")
    parser.add_argument("--small", action="store_true", help="few repetitions; nothing is written")
    options = parser.parse_args(arguments)
    # A soak that is told to end leaves no process behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    figures: dict[int, list[Figure]] = {}
    code = 0
    with _tiny_package() as tiny, tempfile.TemporaryDirectory() as folder:
        size, tracking = SMALL if options.small else FULL, f"sqlite:///{folder}/mlflow.db"
        begun = time.monotonic()
        for number, found in run(size, tiny, tracking, options.rows):
            figures.setdefault(number, []).extend(found)
            took, begun = time.monotonic() - begun, time.monotonic()
            print(f"row {number}: {took:.0f} s", flush=True)
            for figure in found:
                print(f"{figure.name}: {figure.shown} ({figure.bound})", flush=True)
            code |= any(not figure.ok for figure in found)
            if not options.small:
                publish(f"make soak-rollout ROWS={number}", figures[number], options.note)
    return code


if __name__ == "__main__":
    sys.exit(main())
