"""``python -m tests.soak.pictures``: pictures that hurt decoders, and a predictor that meets them.

Bombs are refused by their headers, each within milliseconds. Then thousands of damaged pictures
go to a real predictor over one connection: every answer is a classification or a 400 with a
reason, and its memory stays where it was.
"""

import argparse
import http.client
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import psutil

from tests.bench.figures import Figure, at_least, at_most, holds, noted, publish
from tests.hostile_pictures import BOMBS, mutated
from tests.predictor.running import Running, running
from weathervane.data import images
from weathervane.errors import ImageError
from weathervane.registry.package import read_package

_ROUNDS = 5
_MAX_REFUSAL_MS = 20
_MAX_GROWTH_MIB = 32


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a predictor did with damaged pictures."""

    answers: Counter[int]  # by HTTP status
    unlike: int  # refusals that are not as the protocol wants them
    growth_mib: float  # of resident memory, from the first tenth to the end
    longest_seconds: float
    healthy: bool


def refusal_ms(bomb: bytes, fault: str) -> float:
    """How long the decoder takes to refuse; the best of a few, for others use the cores too."""
    best = float("inf")
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        try:
            images.decode(bomb)
        except ImageError as error:
            if error.fault != fault:
                raise AssertionError(f"refused as {error.fault}, not as {fault}") from error
        else:
            raise AssertionError("a bomb was decoded")
        best = min(best, time.perf_counter() - begun)
    return best * 1000


def send_damaged(
    predictor: Running, originals: Sequence[bytes], *, count: int, seed: int
) -> Outcome:
    """Send damaged pictures one by one over one connection."""
    process = psutil.Process(predictor.process.pid)
    connection = http.client.HTTPConnection("127.0.0.1", predictor.port, timeout=30)
    answers: Counter[int] = Counter()
    unlike, longest, settled = 0, 0.0, 0
    for number, picture in enumerate(islice(mutated(originals, seed), count)):
        begun = time.perf_counter()
        status, body = _infer(connection, picture)
        longest = max(longest, time.perf_counter() - begun)
        answers[status] += 1
        if status != 200:
            told = orjson.loads(body)
            unlike += told.keys() != {"error"} or "Traceback" in told["error"]
        if number == count // 10:
            settled = process.memory_info().rss
    growth = (process.memory_info().rss - settled) / 2**20
    connection.request("GET", "/v2/health/ready")
    healthy = connection.getresponse().status == 200
    connection.close()
    return Outcome(
        answers=answers,
        unlike=unlike,
        growth_mib=growth,
        longest_seconds=longest,
        healthy=healthy,
    )


def _infer(connection: http.client.HTTPConnection, picture: bytes) -> tuple[int, bytes]:
    raw = len(picture).to_bytes(4, "little") + picture
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = orjson.dumps({"inputs": [tensor]})
    headers = {"Inference-Header-Content-Length": str(len(head))}
    connection.request("POST", "/v2/models/weather/infer", head + raw, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def figures_of(outcome: Outcome) -> list[Figure]:
    """The outcome against its bounds."""
    sent = outcome.answers.total()
    known = outcome.answers[200] + outcome.answers[400]
    return [
        holds(
            "damaged pictures answered with 200 or 400",
            f"{known} of {sent}",
            "all",
            known == sent,
        ),
        # Both must happen, or nothing was tested.
        at_least("of them classified all the same", outcome.answers[200], sent // 100),
        at_least("of them refused", outcome.answers[400], sent // 100),
        at_most("refusals without a reason in the protocol's form", outcome.unlike, 0),
        at_most("growth of resident memory", round(outcome.growth_mib, 1), _MAX_GROWTH_MIB, " MiB"),
        at_most("longest answer", round(outcome.longest_seconds, 2), 2, " s"),
        holds("ready afterwards", str(outcome.healthy), "True", outcome.healthy),
    ]


def bomb_figures() -> list[Figure]:
    """Every bomb against the bound; rejected by its header alone."""
    figures = []
    for name, (fault, make) in BOMBS.items():
        bomb = make()
        took = round(refusal_ms(bomb, fault), 2)
        figures.append(at_most(f"{name}, {len(bomb) / 1e6:.2f} MB", took, _MAX_REFUSAL_MS, " ms"))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.pictures", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    figures = bomb_figures()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "tiny")
        script = Path(__file__).parents[1] / "tiny_package.py"
        subprocess.run([sys.executable, "-P", str(script), str(place)], check=True)
        package = read_package(place)
        originals = [golden.picture for golden in package.golden()]
        with running("--package", str(place), "--digest", package.digest) as predictor:
            outcome = send_damaged(predictor, originals, count=options.count, seed=options.seed)
    figures += [noted("damaged pictures sent", str(options.count)), *figures_of(outcome)]
    return publish("make soak-pictures", figures, f"Seed {options.seed}.")


if __name__ == "__main__":
    sys.exit(main())
