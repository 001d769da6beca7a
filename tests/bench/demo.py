"""``python -m tests.bench.demo [PART …]``: the demo held against its bounds, with real processes.

samples      a first run in an empty state folder, and a second one in the same
together     two at the same time, in two folders
photographs  on those that the environment names (``WEATHER_PHOTOS``, ``WEATHER_WEIGHTS``)
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, at_least, at_most, holds, noted, publish
from weathervane.local import processes

_SAMPLE_SECONDS, _PHOTOGRAPH_SECONDS = 300, 480
_MAX_FAILED = 50
_MIN_STEP_REQUESTS = 1000
_MIN_PHOTOGRAPH_ACCURACY = 0.86


class Run:
    """One demo as a user starts it, in a state folder of its own."""

    def __init__(self, state: Path, *options: str) -> None:
        self._state = state
        self._begun = time.monotonic()
        state.mkdir(parents=True, exist_ok=True)
        self._log = state / "demo.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "weathervane.cli", "demo", *options],
                env={**os.environ, "WEATHERVANE_STATE": str(state)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> "Run":
        """Return when it has ended; says its last lines when it failed."""
        self.code = self._process.wait()
        self.seconds = time.monotonic() - self._begun
        self.left = sum(map(len, processes.running(self._state).values()))
        written = sorted(self._state.glob("demo/*/summary.json"))
        self.summary: dict[str, Any] = json.loads(written[-1].read_bytes()) if written else {}
        if self.code:
            print("".join(self._log.read_text(errors="replace").splitlines(keepends=True)[-25:]))
        return self

    def figures(self, name: str, seconds: float | None) -> list[Figure]:
        """What every demo must show."""
        took = f"{name}: seconds"
        figures = [
            at_most(took, round(self.seconds), seconds)
            if seconds
            else noted(took, f"{self.seconds:.0f}"),
            at_most(f"{name}: exit code", self.code, 0),
            at_most(f"{name}: processes left", self.left, 0),
        ]
        if not self.summary:
            return figures
        acts = self.summary["acts"]
        told = sum(act["as_told"] for act in acts)
        canary_failed = sum(release["canary_failed"] for release in self.summary["releases"])
        failed = self.summary["traffic"]["failed"]
        stable = [step for one in self.summary["releases"] for step in one["steps"]]
        promoted = next(
            one for one in self.summary["releases"] if one["title"] == "the better candidate"
        )
        steps = [step for step in promoted["steps"] if step["weight"]]
        fewest = min(step["canary_requests"] + step["stable_requests"] for step in steps)
        return [
            *figures,
            holds(f"{name}: acts as told", f"{told} of {len(acts)}", "all", told == len(acts)),
            at_most(f"{name}: requests failed, all by the last canary", failed, _MAX_FAILED),
            holds(
                f"{name}: failed requests counted by the rollout",
                f"{canary_failed} of {failed}",
                "each",
                canary_failed == failed,
            ),
            at_most(
                f"{name}: requests failed by a stable revision",
                sum(step["stable_errors"] for step in stable),
                0,
            ),
            at_least(f"{name}: requests at the shortest step", fewest, _MIN_STEP_REQUESTS),
            holds(
                f"{name}: steps whose weight lies in the 99.9 % interval of the measured split",
                f"{sum(map(_split_holds, steps))} of {len(steps)}",
                "all",
                all(map(_split_holds, steps)),
            ),
            *(noted(f"{name}: {act['title']}, seconds", f"{act['seconds']:.0f}") for act in acts),
        ]

    @property
    def accuracy(self) -> float:
        """Test accuracy of the candidate that was chosen last."""
        training = self.summary["trainings"][-1]
        return float(training["accuracies"][training["chosen"]])


def _split_holds(step: dict[str, Any]) -> bool:
    from weathervane.rollout.timeline import Step

    return Step(**step).split_holds


def _samples(folder: Path) -> list[Figure]:
    first = Run(folder).wait()
    figures = first.figures("first run", _SAMPLE_SECONDS)
    second = Run(folder).wait()
    found = second.summary and second.summary["acts"][1]["ended"].startswith("found")
    return [
        *figures,
        *second.figures("second run", _SAMPLE_SECONDS),
        holds("second run: finds the champion", "yes" if found else "no", "yes", bool(found)),
    ]


def _together(folder: Path) -> list[Figure]:
    runs = {name: Run(folder / name) for name in ("left", "right")}
    return [figure for name, run in runs.items() for figure in run.wait().figures(name, None)]


def _photographs(folder: Path) -> list[Figure]:
    photographs = os.environ.get("WEATHER_PHOTOS", "")
    weights = os.environ.get("WEATHER_WEIGHTS", "")
    if not photographs or not weights:
        print("skipped: photographs (WEATHER_PHOTOS and WEATHER_WEIGHTS name none)")
        return []
    run = Run(folder, "--data", str(Path(photographs, "photos")), "--weights", weights).wait()
    figures = run.figures("photographs", _PHOTOGRAPH_SECONDS)
    if run.summary:
        accuracy = round(run.accuracy, 3)
        figures.append(
            at_least("photographs: best accuracy on test", accuracy, _MIN_PHOTOGRAPH_ACCURACY)
        )
    return figures


_PARTS = {"samples": _samples, "together": _together, "photographs": _photographs}


def main(parts: Sequence[str]) -> int:
    """Run the parts, all by default; print their tables and write their figures."""
    code = 0
    for part in parts or _PARTS:
        with tempfile.TemporaryDirectory() as folder:
            if figures := _PARTS[part](Path(folder, part)):
                code |= publish(f"make bench-demo PART={part}", figures, "Nothing else ran.")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
