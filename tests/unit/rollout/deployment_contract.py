"""What every adapter of the `Deployment` port promises, as tests that each adapter runs.

An adapter's test file subclasses `DeploymentContract` and gives the fixture ``world``.
"""

from typing import Protocol

import pytest

from weathervane.errors import DeploymentError
from weathervane.rollout.port import Capability, Deployment, Release


class World(Protocol):
    """An adapter with a way to send traffic through it."""

    deployment: Deployment
    first: Release
    second: Release
    picture: bytes  # one that the predictors can answer

    def send(self, requests: int) -> int:
        """Send requests through the front door; return how many were answered well.

        By then copies of them have ended, too.
        """

    def answered_by(self, header: str) -> str:
        """Send one request that asks for a revision; return the revision that answered."""

    def await_ready(self) -> None:
        """Return when the canary is ready, or fail."""


def deploy(world: World) -> str:
    """Make `world.first` stable; return its revision's name."""
    world.deployment.start_canary(world.first)
    world.await_ready()
    world.deployment.promote()
    stable = world.deployment.observe().stable
    assert stable is not None
    return stable.name


def begin_canary(world: World) -> str:
    """Start `world.second` beside stable, wait until it is ready; return its revision's name."""
    world.deployment.start_canary(world.second)
    world.await_ready()
    canary = world.deployment.observe().canary
    assert canary is not None
    return canary.name


def needs(capability: Capability, world: World) -> None:
    """Leave the test when the adapter does not claim to do it."""
    if capability not in world.deployment.capabilities:
        pytest.skip(f"{type(world.deployment).__name__} has no {capability.value}")


class DeploymentContract:
    def test_nothing_is_live_at_first(self, world: World):
        live = world.deployment.observe()

        assert (live.stable, live.canary, live.weight) == (None, None, 0)

    def test_a_canary_starts_at_weight_0_and_gets_no_traffic(self, world: World):
        stable = deploy(world)
        world.deployment.start_canary(world.second)
        world.await_ready()

        answered = world.send(100)

        live = world.deployment.observe()
        assert live.canary is not None
        counts = world.deployment.counts()
        assert (answered, live.weight) == (100, 0)
        assert counts[live.canary.name].requests == 0
        assert counts[stable].requests >= 100

    def test_starting_the_same_canary_again_changes_nothing(self, world: World):
        deploy(world)
        world.deployment.start_canary(world.second)
        before = world.deployment.observe().canary

        world.deployment.start_canary(world.second)

        after = world.deployment.observe().canary
        assert before is not None
        assert after is not None
        assert after.name == before.name

    def test_another_canary_is_refused_while_there_is_one(self, world: World):
        deploy(world)
        world.deployment.start_canary(world.second)

        with pytest.raises(DeploymentError):
            world.deployment.start_canary(world.first)

    def test_traffic_follows_the_weight(self, world: World):
        stable = deploy(world)
        world.deployment.start_canary(world.second)
        world.await_ready()
        canary = world.deployment.observe().canary
        assert canary is not None
        world.deployment.set_weight(50)
        before = world.deployment.counts()

        answered = world.send(400)

        after = world.deployment.counts()
        to_canary = after[canary.name].since(before[canary.name]).requests
        to_stable = after[stable].since(before[stable]).requests
        assert answered == 400
        assert to_canary + to_stable == 400
        # 99.99 % of binomial(400, 0.5) lies within.
        assert 160 <= to_canary <= 240
        assert world.deployment.observe().weight == 50

    def test_promotion_makes_the_canary_stable_and_leaves_no_canary(self, world: World):
        deploy(world)
        world.deployment.start_canary(world.second)
        world.await_ready()
        canary = world.deployment.observe().canary
        assert canary is not None

        world.deployment.promote()

        live = world.deployment.observe()
        assert live.stable is not None
        assert (live.stable.name, live.stable.digest) == (canary.name, world.second.digest)
        assert (live.canary, live.weight) == (None, 0)
        assert world.send(50) == 50

    def test_promoting_again_changes_nothing(self, world: World):
        deploy(world)
        before = world.deployment.observe()

        world.deployment.promote()

        assert world.deployment.observe() == before

    def test_a_rollback_keeps_stable_and_leaves_no_canary(self, world: World):
        stable = deploy(world)
        world.deployment.start_canary(world.second)
        world.await_ready()
        world.deployment.set_weight(25)

        world.deployment.rollback("the test wants it")

        live = world.deployment.observe()
        assert live.stable is not None
        assert (live.stable.name, live.canary, live.weight) == (stable, None, 0)
        assert world.send(50) == 50

    def test_a_rollback_without_a_canary_changes_nothing(self, world: World):
        deploy(world)
        before = world.deployment.observe()

        world.deployment.rollback("there is nothing to take back")

        assert world.deployment.observe() == before

    def test_a_rollback_before_the_canary_is_ready_is_safe(self, world: World):
        stable = deploy(world)
        world.deployment.start_canary(world.second)

        world.deployment.rollback("changed our mind")

        live = world.deployment.observe()
        assert live.stable is not None
        assert (live.stable.name, live.canary) == (stable, None)

    def test_a_canary_after_a_rollback_is_a_new_revision(self, world: World):
        deploy(world)
        world.deployment.start_canary(world.second)
        first_try = world.deployment.observe().canary
        world.deployment.rollback("first try")

        world.deployment.start_canary(world.second)

        second_try = world.deployment.observe().canary
        assert first_try is not None
        assert second_try is not None
        assert second_try.name != first_try.name

    def test_one_revision_can_be_asked_directly_outside_of_the_counts(self, world: World):
        stable = deploy(world)
        before = world.deployment.counts()[stable].requests

        answers = world.deployment.predict(stable, [world.picture, world.picture])

        assert len(answers) == 2
        assert world.deployment.counts()[stable].requests == before

    def test_asking_a_revision_that_is_not_there_is_an_error(self, world: World):
        deploy(world)

        with pytest.raises(DeploymentError):
            world.deployment.predict("weather-99999", [world.picture])

    def test_a_weight_without_a_canary_is_an_error(self, world: World):
        deploy(world)

        with pytest.raises(DeploymentError):
            world.deployment.set_weight(10)

    def test_it_can_split_traffic_by_weight(self, world: World):
        assert Capability.WEIGHT in world.deployment.capabilities

    def test_a_request_may_ask_for_a_revision_by_role_or_name_outside_of_the_counts(
        self, world: World
    ):
        needs(Capability.HEADER_ROUTES, world)
        stable = deploy(world)
        # Nobody of that name is there: it is ordinary traffic.
        assert [world.answered_by(name) for name in ("canary", "weather-99999")] == [stable] * 2
        canary = begin_canary(world)
        before = world.deployment.counts()

        answered = [world.answered_by(name) for name in ("canary", canary, "stable", stable)]

        assert answered == [canary, canary, stable, stable]
        assert world.deployment.counts() == before

    def test_copies_go_to_a_canary_that_does_not_serve_and_are_counted_apart(self, world: World):
        needs(Capability.MIRROR, world)
        stable = deploy(world)
        with pytest.raises(DeploymentError):
            world.deployment.set_mirror(10)
        canary = begin_canary(world)
        before = world.deployment.counts()
        world.deployment.set_mirror(100)

        answered = world.send(50)

        after = world.deployment.counts()
        assert (answered, world.deployment.observe().mirror) == (50, 100)
        assert after[stable].since(before[stable]).requests == 50
        assert after[canary].since(before[canary]).requests == 0
        assert world.deployment.mirrored()[canary].requests == 50
        assert world.deployment.mirrored()[stable].requests == 0
        world.deployment.set_weight(10)
        assert world.deployment.observe().mirror == 0
        with pytest.raises(DeploymentError):
            world.deployment.set_mirror(50)
