"""One service of this machine with all that its rollouts need: the place where they are wired."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from weathervane.config import replicas, state_folder
from weathervane.local.platform import Platform
from weathervane.registry.store import Store
from weathervane.registry.versions import Registry
from weathervane.rollout.hooks import Hooks
from weathervane.rollout.journal import FileJournal
from weathervane.rollout.local import LocalDeployment
from weathervane.rollout.loop import Rollout


@dataclass(frozen=True)
class LocalService:
    """A service on the platform of one state folder."""

    platform: Platform
    name: str

    @cached_property
    def deployment(self) -> LocalDeployment:
        """What serves it."""
        return LocalDeployment(
            self.platform.state, self.name, self.platform.store(), replicas=replicas()
        )

    @cached_property
    def journal(self) -> FileJournal:
        """The memory of its rollouts."""
        return FileJournal(self.platform.state / "rollouts" / self.name)

    @cached_property
    def store(self) -> Store:
        """Where its packages lie."""
        return Store(self.platform.store())

    @cached_property
    def registry(self) -> Registry:
        """Where its versions are named."""
        return Registry(self.platform.addresses().tracking, store=self.platform.store())

    def record(self) -> list[dict[str, Any]]:
        """What happened in its rollouts, the oldest first."""
        return list(self.journal.entries())

    def rollout(self, announce: Callable[[str], None] = lambda line: None) -> Rollout:
        """The engine over this service."""
        return Rollout(
            self.deployment,
            self.journal,
            announce=announce,
            outside=lambda plan: Hooks(self.name, plan.webhooks, say=announce),
        )


def open_service(name: str, state: Path | None = None) -> LocalService:
    """Open a service of the platform that runs in ``state``, or in the folder of the environment.

    Raises:
        PlatformError: when no platform runs there.
    """
    platform = Platform(state or state_folder())
    platform.addresses()
    return LocalService(platform, name)
