"""Rollouts on the platform of tests in both modes, against the reliability bounds.

Run by ``make soak-kserve``: the code of tests/kserve at the length that its bounds ask for. Each
figure is headed by its row. ``--rows 15 18`` runs some of them only.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.bench.figures import Figure, holds, publish
from tests.soak import kserve_processes, kserve_rows
from weathervane.local import processes, store_server
from weathervane.local.ports import PortBook
from weathervane.local.servers import await_ready, launch
from weathervane.registry.store import Store
from weathervane.registry.versions import CHAMPION, Registry

Row: TypeAlias = Callable[[], Iterator[Figure]]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How often each row is repeated, in each mode or in both together as its figure says."""

    crashes: int = 10
    never_ready: int = 6
    lies: int = 50
    stride: int = 1
    killed_rollouts: int = 50
    at_once: int = 4
    races: int = 100
    faulty: int = 100
    share: float = 0.3
    away_seconds: float = 300.0
    stale: int = 40
    aborts: int = 5
    alias_races: int = 100


FULL = Size()
# What no test of tests/kserve shows small already.
SMALL = Size(killed_rollouts=1, at_once=1, alias_races=2)
SMALL_ROWS = (16, 38)


def rows(size: Size, store: Store, database: Path) -> dict[int, Row]:
    """Each row by its number; ``database`` is an MLflow without runs."""
    return {
        10: lambda: kserve_rows.crashed(size.crashes),
        11: lambda: kserve_rows.never_ready(size.never_ready),
        14: lambda: kserve_rows.lies(size.lies),
        15: lambda: kserve_rows.kills(size.stride),
        16: lambda: kserve_processes.killed_at_random(
            size.killed_rollouts, store, database, at_once=size.at_once
        ),
        17: lambda: kserve_rows.races(size.races),
        18: lambda: kserve_rows.faults(size.faulty, size.share),
        19: lambda: kserve_processes.api_away(size.away_seconds),
        20: lambda: kserve_rows.stale_reads(size.stale),
        21: lambda: kserve_rows.aborts(size.aborts),
        22: kserve_rows.upstream_bugs,
        38: lambda: kserve_rows.the_alias(size.alias_races, database),
    }


@contextmanager
def _store_and_database() -> Iterator[tuple[Store, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        state, database = Path(folder, "state"), Path(folder, "mlflow.db")
        state.mkdir()
        # Making MLflow's tables takes seconds: once, before anybody races.
        Registry(f"sqlite:///{database}").alias("weather", CHAMPION)
        server = store_server.server(state)
        try:
            launch(state, server)
            await_ready(state, server)
            port = PortBook(state / "ports.json").get(server.name) or 0
            store = Store(store_server.config(state, port))
            store.ensure_bucket()
            yield store, database
        finally:
            processes.stop(state, grace_seconds=5)


def _whole(number: int, row: Row) -> Iterator[Figure]:
    """A row's figures; one that breaks off falls short, and the others are still measured."""
    try:
        yield from row()
    except Exception as error:
        traceback.print_exc()
        yield holds(f"{number}: measured to its end", f"no: {error}"[:100], "yes", ok=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print each figure as it comes and the table at the end, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.cluster", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[], help="default: all")
    options = parser.parse_args(arguments)
    figures = []
    with _store_and_database() as (store, database):
        for number, row in rows(FULL, store, database).items():
            if options.rows and number not in options.rows:
                continue
            for figure in _whole(number, row):
                figures.append(figure)
                print(f"{figure.name}: {figure.shown} ({figure.bound})", flush=True)
    if options.rows:
        return 0 if all(figure.ok for figure in figures) else 1
    return publish("make soak-kserve", figures, "On the platform of tests, not on a cluster.")


if __name__ == "__main__":
    sys.exit(main())
