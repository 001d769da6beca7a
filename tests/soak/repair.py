"""Repair the alias without a pause: ``repair.py STATE TRACKING``, until it is told to stop."""

import signal
import sys
from pathlib import Path

from tests.local.sites import NO_STORE
from weathervane.registry.versions import Registry
from weathervane.rollout.local import LocalDeployment
from weathervane.rollout.release import repair_champion


def main(state: Path, tracking: str) -> None:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    deployment, registry = LocalDeployment(state, "weather", NO_STORE), Registry(tracking)
    repair_champion(deployment, registry, "weather")
    print("repairs", flush=True)
    while not stopped:
        repair_champion(deployment, registry, "weather")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
