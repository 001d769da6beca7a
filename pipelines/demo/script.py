"""What the demo is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weathervane.rollout.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Script:
    """The defaults are the demo as the README shows it."""

    state: Path
    data: Path | None = None  # None: rendered sample pictures
    pictures: int = 900  # of the sample
    weights: str | None = None
    image_size: int = 96
    architectures: tuple[str, ...] = ("cnn", "mobilenetv2")
    # Of the training pipeline; fewer epochs than its default, because somebody waits for it.
    settings: Mapping[str, Any] = field(default_factory=lambda: {"train": {"epochs": 8}})
    # The candidates differ in size: the better one may be slower.
    plan: Plan = Plan(max_latency_ratio=1.5, latency_slack_seconds=0.05)
    requests_per_second: float | None = None  # None: what the models can take on this machine
    # End when the first champion is served, and leave the platform up.
    until_champion: bool = False

    @property
    def told(self) -> str:
        """The pictures, in words."""
        return str(self.data) if self.data else f"{self.pictures} rendered sample pictures"
