"""The demo's rollouts: done by the library, told as the report wants them."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipelines.demo.summary import Release
from weathervane.data.probes import Probe
from weathervane.errors import PlatformError
from weathervane.registry.package import Package, read_package
from weathervane.registry.store import package_key
from weathervane.registry.versions import CHALLENGER, CHAMPION
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release as Rollable
from weathervane.rollout.release import fetch_probes, resolve, roll_out
from weathervane.rollout.service import LocalService
from weathervane.rollout.timeline import steps_of


class Releaser:
    """Releases packages of one service under one plan, as ``who``."""

    def __init__(
        self, service: LocalService, plan: Plan, who: str, say: Callable[[str], None]
    ) -> None:
        self._service = service
        self._plan = plan
        self._who = who
        self._say = say

    def challenger(self) -> Rollable:
        """What the training pipeline registered last."""
        service = self._service
        return resolve(service.registry, service.store, service.name, CHALLENGER)

    def probes(self, release: Rollable) -> tuple[Probe, ...]:
        """The labelled pictures that a rollout of it sends."""
        return fetch_probes(self._service.store, release)

    def champion(self) -> Rollable:
        """What is live."""
        service = self._service
        return resolve(service.registry, service.store, service.name, CHAMPION)

    def package(self, release: Rollable, folder: Path) -> Package:
        """Fetch a release's package into ``folder``."""
        self._service.store.download_folder(release.uri, folder)
        return read_package(folder, release.digest)

    def upload(self, package: Package) -> Rollable:
        """Put a package into the store as if it had passed a gate."""
        key = package_key(self._service.name, package.digest)
        uri = self._service.store.upload_folder(package.folder, key)
        return Rollable(digest=package.digest, uri=uri)

    def release(self, title: str, release: Rollable) -> Release:
        """Roll a package out, and tell how it went."""
        service = self._service
        stable = service.deployment.observe().stable
        probes = self.probes(release)
        plan = self._plan
        if len(probes) < plan.min_probes:
            self._say(f"the data gives only {len(probes)} probes: small losses go unseen")
            plan = replace(plan, min_probes=len(probes))
        begun_at = time.time()
        outcome = roll_out(
            service.rollout(self._say),
            service.registry,
            service.name,
            release,
            plan=plan,
            probes=probes,
            who=self._who,
            # Each run of the demo is an attempt of its own.
            again=True,
        )
        return self._told(title, outcome, begun_at, stable.name if stable else None)

    def take_back_what_was_interrupted(self) -> None:
        """End a rollout that a killed process left unfinished; it would stand in the way."""
        rollout = self._service.rollout(self._say)
        if left := rollout.unfinished():
            self._say(f"taking back rollout {left.id}, which was interrupted")
            rollout.abort(self._who, "the process that drove it was interrupted")

    def _told(self, title: str, outcome: Outcome, begun_at: float, stable: str | None) -> Release:
        state = outcome.state
        if state is None:
            raise PlatformError(f"{title}: {outcome.why}, so there is nothing to release")
        lines = self._service.journal.record.read_text(encoding="utf-8").splitlines()
        record = [entry for entry in map(json.loads, lines) if entry["rollout"] == state.id]
        canary = next((name for name in state.in_all if name != stable), "none")
        failed = {name: counts.errors for name, counts in state.in_all.items()}
        return Release(
            title=title,
            digest=state.release.digest,
            promoted=outcome.promoted,
            why=outcome.why,
            begun_at=begun_at,
            ended_at=time.time(),
            steps=tuple(steps_of(record, state.id)),
            weights=tuple(
                (datetime.fromisoformat(entry["at"]).timestamp(), entry["to"])
                for entry in record
                if "to" in entry
            ),
            stable=stable,
            canary=canary,
            canary_failed=failed.get(canary, 0),
            stable_failed=failed.get(stable or "", 0),
        )
