"""Drive one rollout to its end: ``drive.py STATE DIGEST URI PLAN PROBES``; made to be killed.

As ``weathervane rollout start`` does, without MLflow and its start-up time.
"""

import json
import sys
from pathlib import Path

from weathervane.config import from_mapping, store_from_environment
from weathervane.data.probes import read_probes
from weathervane.errors import ExitCode
from weathervane.rollout.journal import FileJournal
from weathervane.rollout.local import LocalDeployment
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release


def main(state: Path, digest: str, uri: str, plan: Path, probes: Path) -> int:
    deployment = LocalDeployment(state, "weather", store_from_environment())
    outcome = Rollout(deployment, FileJournal(state / "rollouts" / "weather")).start(
        Release(digest=digest, uri=uri),
        from_mapping(Plan, json.loads(plan.read_text()), str(plan)),
        read_probes(probes),
        "soak",
    )
    return ExitCode.DONE if outcome.promoted else ExitCode.ROLLED_BACK


if __name__ == "__main__":
    state, digest, uri, plan, probes = sys.argv[1:]
    sys.exit(main(Path(state), digest, uri, Path(plan), Path(probes)))
