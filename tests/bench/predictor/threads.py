"""``python -m tests.bench.predictor.threads``: how many threads the predictor should have here.

One JPEG over REST from eight clients, with one thread, as many as cores and twice as many, in
alternated rounds.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from predictor.settings import cores
from tests.bench.figures import Figure, at_least, noted, publish
from tests.bench.predictor import load, prepared, rounds, servers, wires
from tests.bench.predictor.__main__ import picture
from tests.bench.predictor.load import Spell
from tests.bench.predictor.wires import JPEG_REST
from weathervane.data import images

_CLIENTS = 8
# As many threads as cores is the default: nobody should have to choose.
_LEAST_OF_THE_BEST = 0.95


def figures(spells: dict[int, Spell], default: int) -> list[Figure]:
    """Rate and latency by the number of threads, and whether the default is a good one."""
    best = max(each.per_second for each in spells.values())
    return [
        *(
            noted(
                f"{threads} thread{'s' * (threads > 1)}: requests/s, p50 and p95 in ms",
                f"{each.per_second:.0f}, {each.p50:.1f} and {each.p95:.1f}",
            )
            for threads, each in spells.items()
        ),
        at_least(
            f"throughput of the default, {default}, against the best",
            round(spells[default].per_second / best, 2),
            _LEAST_OF_THE_BEST,
            "x",
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.predictor.threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args(arguments)
    package, jpeg, default = prepared.package(), picture(), cores()
    request = wires.requests(jpeg, images.load(jpeg, package.size))[JPEG_REST]
    counts = sorted({1, default, 2 * default})
    spells: dict[int, list[Spell]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        live = {
            count: stack.enter_context(
                servers.running(servers.ours(count), package, Path(folder, str(count)))
            )
            for count in counts
        }
        for _ in range(options.rounds):
            for count, server in live.items():
                spells[count].append(
                    load.spell(
                        JPEG_REST,
                        server.rest,
                        request,
                        clients=_CLIENTS,
                        seconds=options.seconds,
                    )
                )
    return publish(
        "make bench-threads",
        figures({count: rounds.median(each) for count, each in spells.items()}, default),
        f"One JPEG a request over REST from {_CLIENTS} clients, which share the cores.",
    )


if __name__ == "__main__":
    sys.exit(main())
