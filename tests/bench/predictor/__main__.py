"""``python -m tests.bench.predictor``: our predictor against its peers, in one run on one machine.

All servers are up at once, and one at a time is asked. A round asks each in turn over every wire,
with one client and with eight; what counts is the median of the rounds.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2

from tests.bench.figures import publish
from tests.bench.predictor import footprint, prepared, rounds, servers
from tests.bench.predictor.footprint import Footprint
from tests.bench.predictor.judge import Cell, Measured, figures
from tests.bench.predictor.load import Spell
from tests.bench.predictor.peers.classifier import Classifier
from tests.bench.predictor.rounds import Live
from tests.bench.predictor.servers import OURS
from tests.bench.predictor.wires import JPEG_REST
from weathervane.data import images
from weathervane.data.scenes import render
from weathervane.registry.package import Package

# As pages show them; one of a camera would mostly measure the JPEG decoder.
_WIDTH, _HEIGHT, _QUALITY = 640, 480, 90
_STARTS = 5
_TIMES_IN_PROCESS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.predictor")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="that each is asked at a time")
    parser.add_argument("--requests", type=int, default=10_000, help="until memory is looked at")
    options = parser.parse_args(arguments)
    package, python = prepared.package(), prepared.mlserver_python()
    jpeg = picture()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        cold = footprint.measure(servers.ours(), package, Path(folder, "cold"), starts=_STARTS)
        live = [
            (peer, stack.enter_context(servers.running(peer, package, Path(folder, str(number)))))
            for number, peer in enumerate((servers.ours(), *servers.peers(python)))
        ]
        measured = _measure(package, jpeg, live, cold, options)
    note = (
        f"MobileNetV2 at 224 pixels with random weights; a JPEG of {_WIDTH}x{_HEIGHT}, "
        f"{len(jpeg) // 1024} KiB. Medians of {options.rounds} rounds of {options.seconds:g} s for "
        "each cell; whoever is not asked is idle. The load client, one process that sends prepared "
        "bytes, shares the cores with the server, alike for all. SDK: the KServe SDK's own server; "
        "TF: the TensorFlow signature; FastAPI: with `model.predict`."
    )
    return publish("make bench-predictor", figures(measured), note)


def picture() -> bytes:
    """The JPEG that everybody is asked about."""
    bgr = cv2.cvtColor(render("rainy", 1, _WIDTH, _HEIGHT), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return bytes(data)


def _measure(
    package: Package, jpeg: bytes, live: Live, cold: Footprint, options: argparse.Namespace
) -> Measured:
    engine = Classifier(package.folder, "litert", threads=1).engine
    pixels = images.load(jpeg, package.size)
    asked = rounds.requests(live, jpeg, pixels)
    rounds.check_answers(live, asked, engine(pixels))
    spells: dict[Cell, list[Spell]] = {}
    decodes, engines = [], []
    for number in range(1, options.rounds + 1):
        print(f"round {number} of {options.rounds}", flush=True)
        decodes.append(
            footprint.milliseconds(lambda: images.load(jpeg, package.size), times=_TIMES_IN_PROCESS)
        )
        engines.append(footprint.milliseconds(lambda: engine(pixels), times=_TIMES_IN_PROCESS))
        for cell, spell in rounds.one_round(live, asked, options.seconds):
            spells.setdefault(cell, []).append(spell)
    (_, ours), *_ = live
    done = sum(each.requests for cell in spells if cell[0] == OURS for each in spells[cell])
    done += rounds.answered(ours, asked[OURS, JPEG_REST], options.requests - done)
    return Measured(
        spells={cell: rounds.median(each) for cell, each in spells.items()},
        decode_ms=statistics.median(decodes),
        engine_ms=statistics.median(engines),
        footprint=cold,
        requests=done,
        resident_mebibytes=ours.resident_mebibytes(),
    )


if __name__ == "__main__":
    sys.exit(main())
