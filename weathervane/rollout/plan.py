"""The plan of a rollout: its steps and what it takes to go on."""

from dataclasses import dataclass

from pydantic import ConfigDict

from weathervane.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A canary rollout. The defaults suit a service with some ten requests a second."""

    # Percent of traffic at each step, in order. At 100 the old model is kept warm beside it.
    steps: tuple[int, ...] = (10, 25, 50, 100)
    # A step lasts at least this long and sees at least these many requests; of them, the canary
    # at least its own part.
    hold_seconds: float = 5.0
    min_requests: int = 1000
    min_canary_requests: int = 50
    # Requests that are under way when a weight changes still end at the old revision: a step's
    # figures begin this long after its weight acts.
    settle_seconds: float = 1.0
    # A step that still lacks evidence after this long is taken back.
    patience_seconds: float = 600.0
    # Figures that have not grown for this long are stale: they let nothing go on.
    stale_seconds: float = 30.0
    # How long the canary may take to become ready and to answer its probes.
    start_seconds: float = 120.0
    # Time between two looks.
    interval_seconds: float = 1.0

    # The canary is taken back as soon as it has failed this many requests in all.
    max_failed_requests: int = 50
    # A canary whose error rate is above this one and above stable's is taken back.
    max_error_rate: float = 0.01
    # The canary's 95th percentile may be at most this many times stable's at the same time, plus
    # the slack: a ratio alone would refuse 3 ms against 1 ms.
    max_latency_ratio: float = 1.1
    latency_slack_seconds: float = 0.01
    # The canary's measured share of the requests may be off the weight by this much for good.
    split_tolerance: float = 0.015

    # Labelled pictures sent to each revision, before any traffic and again at every step.
    min_probes: int = 20
    min_probe_accuracy: float = 0.5
    # Accuracy on the probes that the canary may lose against stable.
    max_probe_loss: float = 0.01
    # Share of the live traffic on which the canary's labels or confidences may differ from
    # stable's, and share of replayed pictures that may change their label. 1: told, no reason.
    max_shift: float = 1.0
    max_flip_share: float = 1.0

    # Chance of taking back a canary that is as good as stable, over all looks and all signals of
    # a rollout together.
    significance: float = 0.01

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        steps = self.steps
        if not steps or list(steps) != sorted(set(steps)) or not 1 <= steps[0] <= steps[-1] <= 100:
            raise UsageError(
                f"the plan's steps must be rising percents from 1 to 100, got {list(steps)}"
            )
        for name in (
            *("hold_seconds", "settle_seconds", "min_requests", "min_canary_requests"),
            *("min_probes", "max_failed_requests", "max_error_rate", "latency_slack_seconds"),
            *("split_tolerance", "max_shift", "max_flip_share"),
        ):
            if getattr(self, name) < 0:
                raise UsageError(f"the plan's {name} must be at least 0, got {getattr(self, name)}")
        for name in (
            *("patience_seconds", "start_seconds", "interval_seconds", "stale_seconds"),
            "max_latency_ratio",
        ):
            if getattr(self, name) <= 0:
                raise UsageError(f"the plan's {name} must be above 0, got {getattr(self, name)}")
        if not 0 < self.significance < 1:
            raise UsageError(
                f"the plan's significance must be above 0 and below 1, got {self.significance}"
            )
        if self.patience_seconds < self.hold_seconds:
            raise UsageError(
                f"the plan's patience_seconds ({self.patience_seconds}) must be at least its "
                f"hold_seconds ({self.hold_seconds})"
            )
