from dataclasses import dataclass, field

import pytest

from weathervane.rollout.fake import FakeClock, FakeDeployment, MemoryJournal
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release
from weathervane.rollout.release import repair_champion, take_back

RELEASE = Release(digest="a" * 64, uri="s3://bucket/models/weather/a")
OTHER = Release(digest="b" * 64, uri="s3://bucket/models/weather/b")
PLAN = Plan(steps=(50,), min_probes=0)


class Killed(BaseException):
    """What SIGKILL would do."""


@dataclass
class MemoryRegistry:
    """Aliases in memory; ``meanwhile`` happens just before the next one is set."""

    named: Release | None = None
    meanwhile: list = field(default_factory=list)

    def alias(self, model: str, alias: str) -> Release | None:
        return self.named

    def set_alias(self, model: str, alias: str, digest: str) -> None:
        if self.meanwhile:
            self.meanwhile.pop()()
        self.named = Release(digest=digest, uri="")


@pytest.fixture
def deployment() -> FakeDeployment:
    deployment = FakeDeployment(FakeClock())
    deployment.start_canary(OTHER)
    deployment.promote()
    return deployment


def left_by(who: str, deployment: FakeDeployment) -> tuple[Rollout, MemoryJournal]:
    """A rollout whose process was killed at its first step."""
    journal = MemoryJournal()

    def kill(line: str) -> None:
        if "→" in line:
            raise Killed

    with pytest.raises(Killed):
        Rollout(deployment, journal, clock=deployment._clock, announce=kill).start(
            RELEASE, PLAN, (), who
        )
    return Rollout(deployment, journal, clock=deployment._clock), journal


def test_what_a_release_has_left_unfinished_is_taken_back(deployment):
    rollout, journal = left_by("us", deployment)

    outcome = take_back(rollout, journal, who="us", why="the release ended")

    assert outcome
    assert (outcome.promoted, deployment.observe().canary) == (False, None)


def test_what_somebody_else_has_left_unfinished_stays(deployment):
    rollout, journal = left_by("somebody", deployment)

    assert take_back(rollout, journal, who="us", why="the release ended") is None
    assert deployment.observe().canary
    assert rollout.unfinished()


def test_what_is_driven_is_left_to_its_driver(deployment):
    rollout, journal = left_by("us", deployment)

    with journal.claim("another process of ours"):
        assert take_back(rollout, journal, who="us", why="the release ended") is None

    assert deployment.observe().canary
    assert journal.asked() == ()


def test_without_a_rollout_nothing_is_taken_back(deployment):
    journal = MemoryJournal()
    rollout = Rollout(deployment, journal, clock=deployment._clock)
    before = deployment.observe()

    assert take_back(rollout, journal, who="us", why="the release ended") is None
    assert (deployment.observe(), journal.read()) == (before, None)


def test_the_alias_is_moved_to_what_is_live_and_then_left_alone(deployment):
    registry = MemoryRegistry(named=RELEASE)

    assert repair_champion(deployment, registry, "weather") == OTHER.digest
    assert repair_champion(deployment, registry, "weather") is None
    assert registry.named
    assert registry.named.digest == OTHER.digest


def test_the_alias_names_what_was_promoted_while_it_was_being_repaired(deployment):
    registry = MemoryRegistry()

    def promote_another() -> None:
        deployment.start_canary(RELEASE)
        deployment.promote()
        registry.named = RELEASE

    registry.meanwhile.append(promote_another)

    assert repair_champion(deployment, registry, "weather") == RELEASE.digest
    assert registry.named.digest == RELEASE.digest
