"""A service on a fake platform with everything that a rollout needs, and ways to kill it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from weathervane.data.probes import Probe
from weathervane.rollout.asking import Asking
from weathervane.rollout.fake import Behaviour, FakeClock, FakeDeployment, MemoryJournal
from weathervane.rollout.ledger import Outside
from weathervane.rollout.loop import Rollout
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Capability, Release
from weathervane.rollout.state import RolloutState
from weathervane.rollout.wishes import Kind, Request

PLAN = Plan(steps=(10, 50, 100), hold_seconds=5, min_requests=1000, patience_seconds=60)
OLD = Release(digest="a" * 64, uri="s3://bucket/models/weather/a")
NEW = Release(digest="b" * 64, uri="s3://bucket/models/weather/b")
OTHER = Release(digest="c" * 64, uri="s3://bucket/models/weather/c")
# The fake labels a picture by what it says.
PROBES = tuple(
    Probe(picture=label.encode(), label=label, sha256=f"{label}{i}")
    for label in ("sunny", "rainy")
    for i in range(20)
)


@dataclass(frozen=True)
class Person:
    """Somebody at another machine, who asks once when a rollout is where they wait for it."""

    kind: Kind
    when: Callable[[RolloutState], bool]


@dataclass
class Stage:
    """A service whose stable revision is OLD, and everything that a rollout needs.

    ``people`` look at the journal whenever time passes.
    """

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    requests_per_second: float = 100.0
    first: bool = False
    people: tuple[Person, ...] = ()
    outside: Outside | None = None
    capabilities: frozenset[Capability] = frozenset({Capability.WEIGHT, Capability.MIRROR})

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self._people = list(self.people)
        self.journal = MemoryJournal()
        self.said: list[str] = []
        self.deployment = FakeDeployment(
            self.clock,
            behaviours=self.behaviours,
            requests_per_second=self.requests_per_second,
            capabilities=self.capabilities,
        )
        if not self.first:
            self.deployment.start_canary(OLD)
            self.deployment.promote()
            self.clock.sleep(100)
        sleep = self.clock.sleep

        def sleep_while_people_look(seconds: float) -> None:
            sleep(seconds)
            self._let_people_look()

        self.clock.sleep = sleep_while_people_look  # type: ignore[method-assign]

    def _let_people_look(self) -> None:
        state = self.rollout().unfinished() if self._people else None
        for person in list(self._people):
            if state and person.when(state):
                self._people.remove(person)
                self.ask(person.kind, "bert", f"his {person.kind.value}")

    def rollout(self, deployment: Any = None, journal: Any = None) -> Rollout:
        outside = self.outside
        return Rollout(
            deployment or self.deployment,
            journal or self.journal,
            clock=self.clock,
            announce=self.said.append,
            outside=(lambda plan: outside) if outside else None,
        )

    def start(self, rollout: Rollout, release: Release = NEW, plan: Plan = PLAN) -> Outcome:
        return rollout.start(release, plan, PROBES, "anna")

    def run(self, release: Release = NEW, plan: Plan = PLAN) -> Outcome:
        return self.start(self.rollout(), release, plan)

    def looks(self, weight: int) -> list[dict[str, Any]]:
        """Every look at one weight."""
        return [e for e in self.journal.record if e["event"] == "look" and e["weight"] == weight]

    def ask(self, kind: Kind, who: str, why: str = "") -> Request:
        return Asking(self.journal, self.clock).ask(kind, who, why)

    @property
    def stable(self) -> str | None:
        live = self.deployment.observe()
        return live.stable.digest if live.stable else None

    def assert_settled(self, digest: str) -> None:
        live = self.deployment.observe()
        assert (live.canary, live.weight, live.mirror) == (None, 0, 0)
        assert live.stable is not None
        assert live.stable.digest == digest
        assert self.rollout().unfinished() is None


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test may catch it."""


@dataclass
class Mortal:
    """Wraps a port; dies just after the n-th write of all that share ``fuse``."""

    wrapped: Any
    fuse: list[int]
    writes: tuple[str, ...] = (
        *("write", "append"),
        *("start_canary", "set_weight", "set_mirror", "promote", "rollback"),
    )

    def __getattr__(self, name: str) -> Any:
        attribute: Callable[..., Any] = getattr(self.wrapped, name)
        if name not in self.writes:
            return attribute

        def write(*args: Any) -> Any:
            self.fuse[0] -= 1
            result = attribute(*args)
            if self.fuse[0] == 0:
                raise Killed
            return result

        return write
