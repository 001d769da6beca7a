"""Rollouts on the platform of tests in both modes: killed at every write, with calls that fail.

Run by ``make soak-kserve``: the code of tests/kserve at the length that its bounds ask for.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import cycle

from tests.bench.figures import Figure, holds, noted, publish
from tests.kserve.kills import killed_and_ended
from tests.kserve.worlds import MODES, NEW, OLD, OTHER, Stage
from tests.platform.cluster import Cluster
from tests.platform.pods import Behaviour
from weathervane.errors import WeathervaneError
from weathervane.rollout.port import Release


def kills(stride: int) -> Figure:
    """Row 15: the process dies at every write; the next one ends what it began."""
    right = []
    for mode in MODES:
        for bad in (False, True):
            with Cluster() as cluster:
                ended = list(
                    killed_and_ended(Stage(cluster, mode), bad=bad, first=0, stride=stride)
                )
            print(f"{mode}, {'bad' if bad else 'good'}: {sum(ended)} of {len(ended)}", flush=True)
            right += ended
    shown = f"{sum(right)} of {len(right)}"
    return holds("moments of death that ended rightly", shown, f"{len(right)}", all(right))


def faults(rounds: int, share: float) -> list[Figure]:
    """Row 18: 409, 429, 500, lost answers and closed connections on a share of all calls."""
    right = calls = 0
    said: list[str] = []
    for mode in MODES:
        with Cluster() as cluster:
            stage = Stage(cluster, mode)
            stage.cluster.behaviours[OTHER.digest] = Behaviour(error_share=0.5)
            stable = OLD
            for number, release in zip(range(rounds // len(MODES)), cycle((NEW, OTHER, OLD))):
                before = len(cluster.api.calls)
                cluster.api.faults.share = share
                ended = _ends(stage, release, said)
                cluster.api.faults.share = 0.0
                stage.open()
                calls += len(cluster.api.calls) - before
                stable = stable if release == OTHER else release
                well = ended is (release != OTHER) and stage.settled(stable)
                right += well
                print(f"{mode} {number}: {'right' if well else 'WRONG'}", flush=True)
    return [
        holds(
            f"rollouts that ended rightly while {share:.0%} of the calls failed",
            f"{right} of {rounds}",
            f"{rounds}",
            right == rounds,
        ),
        noted("of them by more than one process", str(len(said))),
        noted("calls in all", str(calls)),
    ]


def _ends(stage: Stage, release: Release, said: list[str]) -> bool:
    """Run a rollout as a Job does: whoever fails on the platform is started again."""
    for _ in range(20):
        try:
            return stage.run(release, again=True).promoted
        except WeathervaneError as error:
            said.append(str(error))
            stage.open()
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--stride", type=int, default=1)
    options = parser.parse_args(arguments)
    figures = [kills(options.stride), *faults(options.rounds, options.share)]
    return publish("make soak-kserve", figures, "On the platform of tests, not on a cluster.")


if __name__ == "__main__":
    sys.exit(main())
