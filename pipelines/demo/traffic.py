"""What the clients saw. In: the traffic generator's lines. Out: totals, and a series by second."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "no revision"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as its client saw it. ``at`` is in seconds of the wall clock."""

    at: float
    seconds: float
    revision: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Requests that were sent and failed, in all and by the revision that answered."""

    sent: int
    failed: int
    by_revision: Mapping[str, tuple[int, int]]  # name → sent, failed


def read_requests(file: Path) -> list[Request]:
    """Read the generator's JSON lines; a last line that is still being written is left out."""
    requests = []
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            seen = json.loads(line)
            requests.append(
                Request(
                    at=seen["at"],
                    seconds=seen["seconds"],
                    revision=seen["revision"] or UNKNOWN,
                    failed=seen["status"] != 200,
                )
            )
    return requests


def summarise(requests: Iterable[Request]) -> Traffic:
    """Add up."""
    sent: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for request in requests:
        sent[request.revision] += 1
        failed[request.revision] += request.failed
    return Traffic(
        sent=sent.total(),
        failed=failed.total(),
        by_revision={name: (sent[name], failed[name]) for name in sorted(sent)},
    )


def by_second(requests: Sequence[Request], start: float, end: float) -> dict[str, list[int]]:
    """Requests of each revision in each whole second from ``start`` to ``end``."""
    length = max(1, int(end - start) + 1)
    series: dict[str, list[int]] = {}
    for request in requests:
        second = int(request.at - start)
        if 0 <= second < length:
            series.setdefault(request.revision, [0] * length)[second] += 1
    return dict(sorted(series.items()))
