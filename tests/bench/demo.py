"""``python -m tests.bench.demo``: the demo held against its bounds, each run with real processes.

A first run in an empty state folder, a second one in the same, two at the same time in two folders,
and one on photographs where the environment names them (``WEATHER_PHOTOS``, ``WEATHER_WEIGHTS``).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
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


def main() -> int:
    """Run all of it, print the table, write the figures."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        first = Run(Path(folder, "one")).wait()
        figures += first.figures("first run", _SAMPLE_SECONDS)
        second = Run(Path(folder, "one")).wait()
        figures += second.figures("second run", _SAMPLE_SECONDS)
        found = second.summary and second.summary["acts"][1]["ended"].startswith("found")
        figures.append(
            holds("second run: finds the champion", "yes" if found else "no", "yes", bool(found))
        )
        at_once = [Run(Path(folder, name)) for name in ("left", "right")]
        for name, run in zip(("left", "right"), at_once, strict=True):
            figures += run.wait().figures(f"two at once, {name}", None)
        figures += _on_photographs(Path(folder, "photographs"))
    return publish("make bench-demo", figures, "Nothing else ran.")


def _on_photographs(state: Path) -> list[Figure]:
    photographs = os.environ.get("WEATHER_PHOTOS", "")
    weights = os.environ.get("WEATHER_WEIGHTS", "")
    if not photographs or not weights:
        print("skipped: photographs (WEATHER_PHOTOS and WEATHER_WEIGHTS name none)")
        return []
    run = Run(state, "--data", str(Path(photographs, "photos")), "--weights", weights).wait()
    figures = run.figures("photographs", _PHOTOGRAPH_SECONDS)
    if run.summary:
        accuracy = round(run.accuracy, 3)
        figures.append(
            at_least("photographs: best accuracy on test", accuracy, _MIN_PHOTOGRAPH_ACCURACY)
        )
    return figures


if __name__ == "__main__":
    sys.exit(main())
