"""Rounds of load over servers that are all up: each in turn, wire by wire.

In: servers and how long to ask each. Out: for each cell the medians of its rounds.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from tests.bench.predictor import load, wires
from tests.bench.predictor.judge import Cell
from tests.bench.predictor.load import Spell
from tests.bench.predictor.servers import Peer, Server
from tests.bench.predictor.wires import JPEG_REST, WIRES, Wire
from weathervane.errors import DeploymentError
from weathervane.registry.package import GOLDEN_TOLERANCE

CLIENTS = (1, 8)

Live = Sequence[tuple[Peer, Server]]
Requests = Mapping[tuple[str, Wire], bytes]


def requests(live: Live, jpeg: bytes, pixels: NDArray[np.uint8]) -> Requests:
    """What each server is sent over each of its wires."""
    protocol = wires.requests(jpeg, pixels)
    return {
        (peer.name, wire): protocol[wire] if peer.speaks_v2 else wires.form(jpeg)
        for peer, _ in live
        for wire in peer.wires
    }


def check_answers(live: Live, asked: Requests, expected: NDArray[np.float32]) -> None:
    """Whether all of them serve the same network on the same pixels.

    Raises:
        DeploymentError: when probabilities are not those of the package.
    """
    for peer, server in live:
        for wire in peer.wires:
            answer = load.once(wire, server.port(wire), asked[peer.name, wire])
            got = wires.probabilities(wire, answer)
            if got.shape != expected.shape or np.abs(got - expected).max() > GOLDEN_TOLERANCE:
                raise DeploymentError(f"{peer.name} answers {got} over {wire.name}: not {expected}")


def one_round(live: Live, asked: Requests, seconds: float) -> Iterator[tuple[Cell, Spell]]:
    """Ask every server over each wire, alone and by eight."""
    for wire in WIRES:
        for clients in CLIENTS:
            for peer, server in live:
                if wire in peer.wires:
                    request, port = asked[peer.name, wire], server.port(wire)
                    yield (
                        (peer.name, wire, clients),
                        load.spell(wire, port, request, clients=clients, seconds=seconds),
                    )


def answered(server: Server, request: bytes, at_least: int) -> int:
    """Ask over REST until ``at_least`` requests have been answered; returns how many were."""
    done = 0
    while done < at_least:
        done += load.spell(JPEG_REST, server.rest, request, clients=8, seconds=1).requests
    return done


def median(spells: Sequence[Spell]) -> Spell:
    """Each figure's median."""
    values = {
        field.name: statistics.median(getattr(each, field.name) for each in spells)
        for field in fields(Spell)
    }
    return Spell(**values)
