"""The plan of a rollout: its strategy, its steps, and what it takes to go on.

In: values from YAML or from code. Out: a frozen `Plan` that has checked itself. The docstrings and
bounds below are also what the published JSON schema (``docs/plan.schema.json``) says.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Field, Tag, TypeAdapter

from weathervane.errors import UsageError
from weathervane.rollout.bounds import (
    FROM_OUTSIDE,
    AboveZero,
    Amount,
    Count,
    Percent,
    Share,
    check_bounds,
)
from weathervane.rollout.port import Capability
from weathervane.rollout.webhook import HookKind, Webhook


class Strategy(StrEnum):
    """How a rollout brings a new revision in."""

    CANARY = "canary"
    BLUE_GREEN = "blue-green"
    SHADOW = "shadow"


@dataclass(frozen=True, kw_only=True)
class PlanStep:
    """One step, where it differs from the rest of the plan."""

    weight: Percent
    """Percent of traffic."""
    pause: Annotated[bool, Field(strict=True)] = False
    """Before this step a person must approve: the rollout holds, and goes on watching."""
    hold_seconds: Amount | None = None
    """Instead of the plan's hold_seconds."""
    min_requests: Count | None = None
    """Instead of the plan's min_requests."""

    __pydantic_config__ = FROM_OUTSIDE

    def __post_init__(self) -> None:
        check_bounds(self, "a step's")


def _form_of_step(value: object) -> str:
    return "step" if isinstance(value, dict | PlanStep) else "percent"


Step: TypeAlias = Annotated[
    Annotated[Percent, Tag("percent")] | Annotated[PlanStep, Tag("step")],
    Discriminator(_form_of_step),
]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a rollout goes. The defaults are a canary's, for some ten requests a second."""

    strategy: Strategy = Strategy.CANARY
    """canary: step by step. blue-green: one switch from 0 to 100, the old revision kept warm.
    shadow: copied or replayed traffic, answers compared, none served."""
    steps: tuple[Step, ...] = ()
    """Rising percents of traffic. Empty: 10, 25, 50, 100 for a canary (in KServe's Knative mode, in
    which the last step must be below 100: 10, 25, 50), 100 for blue-green. At 100 the old revision
    is kept warm beside the new one until the promotion."""
    hold_seconds: Amount = 5.0
    """A step lasts at least this long."""
    min_requests: Count = 1000
    """A step sees at least this many requests."""
    min_canary_requests: Count = 50
    """Of a step's requests the canary sees at least this many."""
    settle_seconds: Amount = 1.0
    """A step's figures begin this long after its weight acts: requests that are under way when it
    changes still end at the old revision."""
    patience_seconds: AboveZero = 600.0
    """A step that still lacks evidence after this long is taken back. Time in which a person is
    waited for does not count."""
    stale_seconds: AboveZero = 30.0
    """Figures that have not grown for this long are stale: they let nothing go on."""
    start_seconds: AboveZero = 120.0
    """How long the canary may take to become ready and to answer its probes."""
    interval_seconds: AboveZero = 1.0
    """Time between two looks."""

    max_failed_requests: Count = 50
    """The canary is taken back as soon as it has failed this many requests in all."""
    max_error_rate: Share = 0.01
    """A canary whose error rate is above this one and above stable's is taken back; so is one that
    has more of its requests answered only at a second try."""
    max_latency_ratio: AboveZero = 1.1
    """The canary's 95th percentile may be at most this many times stable's at the same time, plus
    the slack."""
    latency_slack_seconds: Amount = 0.01
    """Added to the ratio's bound: a ratio alone would refuse 3 ms against 1 ms."""
    split_tolerance: Share = 0.015
    """The canary's measured share of the requests may be off the weight by this much for good."""

    min_probes: Count = 20
    """Labelled pictures sent to each revision, before any traffic and again at every step."""
    min_probe_accuracy: Share = 0.5
    """Share of the probes that the canary labels rightly at least."""
    max_probe_loss: Share = 0.01
    """Accuracy on the probes that the canary may lose against stable."""
    significance: Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)] = 0.01
    """Chance of taking back a canary that is as good as stable, over all looks and all signals of
    a rollout together."""

    min_replayed: Count = 0
    """Pictures without labels that are sent to both revisions at weight 0, answers compared."""
    max_flip_share: Share = 1.0
    """Share of the replayed pictures that the canary may label otherwise than stable. 1: told, no
    reason."""
    max_shift: Share = 1.0
    """Share of the live traffic on which the canary's labels or confidences may differ from
    stable's. 1: told, no reason."""
    mirror_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    """Shadow only: percent of stable's requests of which the canary gets a copy."""
    promote: Annotated[bool, Field(strict=True)] = False
    """Shadow only: promote after a good verdict. Otherwise the canary is removed after it."""

    webhooks: tuple[Webhook, ...] = ()
    """Who is told, and who is asked."""

    __pydantic_config__ = FROM_OUTSIDE

    def __post_init__(self) -> None:
        check_bounds(self, "the plan's")
        weights = self.weights
        if list(weights) != sorted(set(weights)):
            raise UsageError(
                f"the plan's steps must be rising percents from 1 to 100, got {list(weights)}"
            )
        for weight in (0, *weights):
            at = self._overridden(weight)
            if self.patience_seconds < at["hold_seconds"]:
                raise UsageError(
                    f"the plan's patience_seconds ({self.patience_seconds}) must be at least its "
                    f"hold_seconds ({at['hold_seconds']} at {weight} %)"
                )
        names = [hook.name for hook in self.webhooks]
        if len(set(names)) < len(names):
            raise UsageError(f"the plan's webhooks must have different names, got {names}")
        self._check_strategy()

    @cached_property
    def stages(self) -> tuple[PlanStep, ...]:
        """The steps of the strategy, each in its long form."""
        steps = self.steps or {
            Strategy.CANARY: (10, 25, 50, 100),
            Strategy.BLUE_GREEN: (100,),
            Strategy.SHADOW: (),
        }.get(self.strategy, ())
        return tuple(s if isinstance(s, PlanStep) else PlanStep(weight=s) for s in steps)

    @property
    def weights(self) -> tuple[int, ...]:
        """The percents of traffic, in order; none for a shadow."""
        return tuple(stage.weight for stage in self.stages)

    @property
    def needs(self) -> frozenset[Capability]:
        """What the platform must be able to do."""
        if self.strategy is not Strategy.SHADOW:
            return frozenset({Capability.WEIGHT})
        return frozenset({Capability.MIRROR} if self.mirror_percent else ())

    @property
    def has_gates(self) -> bool:
        """Whether somebody outside is asked before each step."""
        return any(hook.kind is HookKind.GATE for hook in self.webhooks)

    def after(self, weight: int) -> PlanStep | None:
        """The step that follows ``weight``; None after the last."""
        return next((stage for stage in self.stages if stage.weight > weight), None)

    def at(self, weight: int) -> "Plan":
        """The plan with what the step at ``weight`` says of itself."""
        overridden = self._overridden(weight)
        if all(getattr(self, name) == value for name, value in overridden.items()):
            return self
        return replace(self, **overridden)

    def _overridden(self, weight: int) -> dict[str, Any]:
        step = next((stage for stage in self.stages if stage.weight == weight), None)
        own = {name: getattr(step, name, None) for name in ("hold_seconds", "min_requests")}
        return {n: getattr(self, n) if value is None else value for n, value in own.items()}

    def _check_strategy(self) -> None:
        if self.strategy is Strategy.BLUE_GREEN and self.weights != (100,):
            raise UsageError(
                f"blue-green switches once: its only step is 100, got {list(self.weights)}"
            )
        if self.strategy is Strategy.SHADOW:
            if self.steps:
                raise UsageError(
                    f"a shadow serves nobody and has no steps, got {list(self.weights)}"
                )
            if not self.mirror_percent and not self.min_replayed:
                raise UsageError(
                    "a shadow needs something to compare: set mirror_percent, min_replayed or both"
                )
            return
        for name in ("mirror_percent", "promote"):
            if getattr(self, name):
                raise UsageError(
                    f"the plan's {name} belongs to strategy shadow, not to {self.strategy}"
                )


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a plan's YAML."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | TypeAdapter(Plan).json_schema()
