"""What was measured against its bounds. Pure.

In: `Measured`. Out: a `Figure` for each column of the comparison and each bound.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench.figures import Figure, at_least, at_most, holds, noted
from tests.bench.predictor.footprint import Footprint
from tests.bench.predictor.load import Spell
from tests.bench.predictor.servers import OURS, PLAIN, STOCK
from tests.bench.predictor.wires import JPEG_REST, Wire

_MOST_OF_THE_BEST = 1.05
_SERVER_MS = 2.0
_TIMES_STOCK, _TIMES_PLAIN = 3, 30
_COLD_SECONDS = 2.0
_MEMORY_MEBIBYTES = 130

# peer, wire, clients
Cell = tuple[str, Wire, int]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One thing that servers are compared by: its values by peer, ours among them."""

    name: str
    unit: str
    values: Mapping[str, float]
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        """How many times worse ours is than the best of the others; below 1 it is the best."""
        mine = self.values[OURS]
        others = [value for peer, value in self.values.items() if peer != OURS]
        return max(others) / mine if self.more_is_better else mine / min(others)

    def figure(self) -> Figure:
        """All values, and whether ours is near enough to the best."""
        shown = " · ".join(f"{peer} {_short(value)}" for peer, value in self.values.items())
        return holds(
            f"{self.name}, {self.unit}",
            shown,
            f"ours ≤ {_MOST_OF_THE_BEST:g}x the best",
            self.ratio <= _MOST_OF_THE_BEST,
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of the benchmark; each `Spell` holds the medians of its rounds."""

    spells: Mapping[Cell, Spell]
    decode_ms: float  # a JPEG to the pixels that the model takes, in process
    engine_ms: float  # those pixels to probabilities
    footprint: Footprint
    requests: int  # that ours had answered
    resident_mebibytes: float  # of ours after them


def columns(spells: Mapping[Cell, Spell]) -> Iterator[Column]:
    """Every wire with each quantile at each number of clients, and the highest throughput."""
    counts = sorted({clients for _, _, clients in spells})
    for wire in dict.fromkeys(wire for _, wire, _ in spells):
        peers = list(dict.fromkeys(peer for peer, over, _ in spells if over == wire))
        for clients in counts:
            of = {peer: spells[peer, wire, clients] for peer in peers}
            who = f"{clients} client{'s' * (clients > 1)}"
            for quantile in ("p50", "p95", "p99"):
                values = {peer: float(getattr(each, quantile)) for peer, each in of.items()}
                yield Column(name=f"{wire.name}, {who}, {quantile}", unit="ms", values=values)
        yield Column(
            name=f"{wire.name}, throughput",
            unit="requests/s",
            values=throughputs(spells, wire),
            more_is_better=True,
        )


def throughputs(spells: Mapping[Cell, Spell], wire: Wire) -> dict[str, float]:
    """The highest rate of each peer, at whatever number of clients."""
    highest: dict[str, float] = {}
    for (peer, over, _), each in spells.items():
        if over == wire:
            highest[peer] = max(highest.get(peer, 0), each.per_second)
    return highest


def figures(measured: Measured) -> list[Figure]:
    """Every figure of the run, with the bounds that ours must hold."""
    spells = measured.spells
    compared = list(columns(spells))
    best = sum(column.ratio <= 1 for column in compared)
    wires = dict.fromkeys(wire for peer, wire, _ in spells if peer == STOCK)
    times_stock = min(_times(throughputs(spells, wire), STOCK) for wire in wires)
    worst = max(compared, key=lambda column: column.ratio)
    inference = measured.engine_ms + measured.decode_ms
    footprint = measured.footprint
    return [
        *(column.figure() for column in compared),
        holds(
            "columns in which ours is the best",
            f"{best} of {len(compared)}",
            "most",
            2 * best > len(compared),
        ),
        noted(
            "ours against the best of the others, at its worst",
            f"{worst.ratio:.2f}x: {worst.name}",
        ),
        noted(
            "in process: decode and engine, ms",
            f"{measured.decode_ms:.2f} and {measured.engine_ms:.2f}",
        ),
        at_most(
            "one JPEG over REST, 1 client: p50 beyond decode and engine, ms",
            round(spells[OURS, JPEG_REST, 1].p50 - inference, 2),
            _SERVER_MS,
        ),
        at_least(
            "throughput against FastAPI, JPEG over REST",
            round(_times(throughputs(spells, JPEG_REST), PLAIN), 2),
            _TIMES_PLAIN,
            "x",
        ),
        at_least(
            "throughput against the KServe SDK, on the wire where it is nearest",
            round(times_stock, 2),
            _TIMES_STOCK,
            "x",
        ),
        at_most(
            f"cold start to ready beyond `import kserve` ({footprint.import_seconds:.1f} s), s",
            round(footprint.ready_seconds - footprint.import_seconds, 2),
            _COLD_SECONDS,
        ),
        at_most(
            f"resident after {measured.requests} requests beyond `import kserve` "
            f"({footprint.import_mebibytes:.0f} MiB), MiB",
            round(measured.resident_mebibytes - footprint.import_mebibytes),
            _MEMORY_MEBIBYTES,
        ),
        noted(
            "the load client's share of one core, at most",
            f"{max(each.client_share for each in spells.values()):.0%}",
        ),
    ]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _times(rates: Mapping[str, float], other: str) -> float:
    return rates[OURS] / rates[other]
