"""Each bound of the predictor's benchmark, from a run that holds all of them."""

from dataclasses import replace

import pytest

from tests.bench.figures import Figure
from tests.bench.predictor.footprint import Footprint
from tests.bench.predictor.judge import Cell, Measured, columns, figures
from tests.bench.predictor.load import Spell
from tests.bench.predictor.servers import OURS, PLAIN, STOCK
from tests.bench.predictor.wires import JPEG_GRPC, JPEG_REST, Wire

_OTHER = "MLServer/LiteRT"


def spell(milliseconds: float, per_second: float) -> Spell:
    return Spell(
        p50=milliseconds,
        p95=1.5 * milliseconds,
        p99=2 * milliseconds,
        per_second=per_second,
        requests=100,
        client_share=0.2,
    )


def cells(peer: str, wire: Wire, milliseconds: float, per_second: float) -> dict[Cell, Spell]:
    return {
        (peer, wire, 1): spell(milliseconds, per_second / 2),
        (peer, wire, 8): spell(6 * milliseconds, per_second),
    }


HEALTHY = Measured(
    spells={
        **cells(OURS, JPEG_REST, 5, 300),
        **cells(OURS, JPEG_GRPC, 5, 300),
        **cells(STOCK, JPEG_REST, 20, 60),
        **cells(STOCK, JPEG_GRPC, 20, 60),
        **cells(_OTHER, JPEG_REST, 6, 280),
        **cells(_OTHER, JPEG_GRPC, 6, 280),
        **cells(PLAIN, JPEG_REST, 200, 6),
    },
    decode_ms=2.0,
    engine_ms=2.0,
    footprint=Footprint(ready_seconds=3.0, import_seconds=4.0, import_mebibytes=220),
    requests=10_000,
    resident_mebibytes=200,
)


def short(measured: Measured) -> list[str]:
    return [figure.name for figure in figures(measured) if not figure.ok]


def with_ours(cell: Cell, **changes: float) -> Measured:
    spells = dict(HEALTHY.spells)
    spells[cell] = replace(spells[cell], **changes)
    return replace(HEALTHY, spells=spells)


def test_a_run_that_holds_every_bound_has_no_figure_that_falls_short():
    assert short(HEALTHY) == []


@pytest.mark.parametrize(
    ("measured", "falls_short"),
    [
        (with_ours((OURS, JPEG_GRPC, 8), p99=76), "JPEG over gRPC, 8 clients, p99, ms"),
        (with_ours((OURS, JPEG_GRPC, 8), per_second=260), "JPEG over gRPC, throughput, requests/s"),
        (replace(HEALTHY, engine_ms=0.9), "one JPEG over REST, 1 client: p50 beyond"),
        (
            replace(HEALTHY, spells={**HEALTHY.spells, **cells(PLAIN, JPEG_REST, 200, 11)}),
            "throughput against FastAPI",
        ),
        (
            replace(HEALTHY, spells={**HEALTHY.spells, **cells(STOCK, JPEG_GRPC, 20, 101)}),
            "throughput against the KServe SDK",
        ),
        (
            replace(HEALTHY, footprint=replace(HEALTHY.footprint, ready_seconds=6.1)),
            "cold start to ready",
        ),
        (replace(HEALTHY, resident_mebibytes=351), "resident after 10000 requests"),
    ],
)
def test_each_bound_is_seen_to_fail_alone(measured: Measured, falls_short: str):
    (name,) = short(measured)

    assert name.startswith(falls_short)


def test_near_the_best_everywhere_but_seldom_the_best_falls_short():
    level = {cell: replace(HEALTHY.spells[(OURS, *cell[1:])]) for cell in HEALTHY.spells}
    a_little_better = {
        cell: replace(each, p50=0.98 * each.p50, p95=0.98 * each.p95, p99=0.98 * each.p99)
        for cell, each in level.items()
        if cell[0] == _OTHER
    }

    name, *others = short(replace(HEALTHY, spells={**HEALTHY.spells, **a_little_better}))

    assert name == "columns in which ours is the best"
    assert others == []


def test_a_column_shows_every_server_that_takes_the_wire():
    compared = {column.name: column for column in columns(HEALTHY.spells)}

    shown: Figure = compared["JPEG over REST, 1 client, p50"].figure()

    assert shown.shown == f"{OURS} 5 · {STOCK} 20 · {_OTHER} 6 · {PLAIN} 200"
    assert PLAIN not in compared["JPEG over gRPC, throughput"].values
    assert len(compared) == 2 * 7
