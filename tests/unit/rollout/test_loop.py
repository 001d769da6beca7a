"""Whole rollouts on a fake platform with a fake clock."""

import random
from typing import Any

import pytest

from tests.unit.rollout.stage import NEW, OLD, OTHER, PLAN, PROBES, Killed, Mortal, Stage
from weathervane.errors import DeploymentError, RolloutRunningError, UsageError
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release
from weathervane.rollout.wishes import Kind


def test_a_good_model_goes_through_every_step_and_is_promoted():
    stage = Stage()

    outcome = stage.run()

    assert outcome.promoted
    stage.assert_settled(NEW.digest)
    weights = [entry["to"] for entry in stage.journal.record if entry.get("to")]
    assert weights == [10, 50, 100]


def test_every_step_has_seen_its_requests_and_its_share():
    stage = Stage()
    stage.run()

    for entry in stage.journal.record:
        if entry.get("decision") in ("SetWeight", "Promote") and entry["weight"]:
            requests = entry["canary"]["requests"] + entry["stable"]["requests"]
            assert requests >= 1000
            share = entry["canary"]["requests"] / requests
            assert share == pytest.approx(entry["weight"] / 100, abs=0.01)


def test_wrong_labels_never_reach_a_client():
    stage = Stage(behaviours={NEW.digest: Behaviour(label=lambda picture: "snowy")})

    outcome = stage.run()

    assert not outcome.promoted
    stage.assert_settled(OLD.digest)
    assert all(entry["weight"] == 0 for entry in stage.journal.record)


def test_a_canary_that_fails_is_taken_back_at_its_first_step_within_the_budget():
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.5)})

    outcome = stage.run()

    assert not outcome.promoted
    assert outcome.state is not None
    stage.assert_settled(OLD.digest)
    assert {entry["weight"] for entry in stage.journal.record} == {0, 10}
    failed = sum(counts.errors for counts in outcome.state.in_all.values())
    assert 0 < failed <= PLAN.max_failed_requests


def test_a_slow_canary_is_taken_back():
    stage = Stage(behaviours={NEW.digest: Behaviour(latency_seconds=0.4)})

    assert not stage.run().promoted
    stage.assert_settled(OLD.digest)


def test_a_step_that_is_too_short_to_prove_a_canary_slow_lasts_until_it_is_proven():
    stage = Stage(behaviours={NEW.digest: Behaviour(latency_seconds=0.4)}, requests_per_second=1000)

    outcome = stage.run(plan=Plan(steps=(10, 50), hold_seconds=2, min_requests=400))

    assert not outcome.promoted
    assert "p95" in outcome.why
    stage.assert_settled(OLD.digest)
    assert {entry["weight"] for entry in stage.journal.record} == {0, 10}


def test_a_canary_that_never_gets_ready_gets_no_traffic_and_is_taken_back():
    stage = Stage(behaviours={NEW.digest: Behaviour(ready_after_seconds=1e9)})

    outcome = stage.run()

    assert not outcome.promoted
    assert "starting" in outcome.why
    stage.assert_settled(OLD.digest)


def test_without_traffic_nothing_is_promoted():
    stage = Stage(requests_per_second=0.001)

    assert not stage.run().promoted
    stage.assert_settled(OLD.digest)
    assert any("no traffic" in line for line in stage.said)


def test_the_first_deployment_needs_its_probes_only():
    stage = Stage(first=True)

    assert stage.run().promoted
    stage.assert_settled(NEW.digest)


def test_a_bad_first_deployment_leaves_nothing_served():
    stage = Stage(first=True, behaviours={NEW.digest: Behaviour(label=lambda picture: "snowy")})

    assert not stage.run().promoted
    assert stage.deployment.observe().stable is None
    assert stage.deployment.observe().canary is None


def test_rolling_out_what_is_stable_already_changes_nothing():
    stage = Stage()
    before = stage.deployment.observe()

    outcome = stage.run(OLD)

    assert outcome.promoted
    assert stage.deployment.observe() == before
    assert stage.journal.record == []


def test_too_few_probes_are_refused_before_anything_is_written():
    stage = Stage()

    with pytest.raises(UsageError, match="at least 20 labelled probes, got 3"):
        stage.rollout().start(NEW, PLAN, PROBES[:3], "anna")

    assert stage.journal.read() is None
    assert stage.deployment.observe().canary is None


def test_counters_that_start_again_lose_no_evidence_of_errors():
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.02)})
    looks = iter(range(1000))
    original = stage.deployment.counts

    def restarting() -> Any:
        if next(looks) % 4 == 3:
            stage.deployment.restart()
        return original()

    stage.deployment.counts = restarting  # type: ignore[method-assign]

    assert not stage.run().promoted
    stage.assert_settled(OLD.digest)


def test_figures_that_vanish_never_promote():
    stage = Stage()
    original = stage.deployment.counts
    # The canary's figures cannot be read any more once it has traffic.
    stage.deployment.counts = lambda: {  # type: ignore[method-assign]
        name: counts
        for name, counts in original().items()
        if not (stage.deployment.observe().weight and name == "weather-00002")
    }

    assert not stage.run().promoted
    stage.assert_settled(OLD.digest)


def test_a_platform_that_is_silent_for_a_while_is_waited_for():
    stage = Stage()
    original = stage.deployment.observe
    looks = iter(range(1000))

    def sometimes() -> Any:
        if 5 <= next(looks) < 15:
            raise DeploymentError("no answer")
        return original()

    stage.deployment.observe = sometimes  # type: ignore[method-assign]

    assert stage.run().promoted
    assert any("no answer" in line for line in stage.said)


def test_an_abort_from_elsewhere_takes_the_canary_back():
    stage = Stage()
    rollout = stage.rollout()
    original = stage.clock.sleep

    def sleep(seconds: float) -> None:
        original(seconds)
        state = rollout.last()
        if state and state.weight == 50:
            stage.ask(Kind.ABORT, "bert", "no need")

    stage.clock.sleep = sleep  # type: ignore[method-assign]

    outcome = rollout.start(NEW, PLAN, PROBES, "anna")

    assert not outcome.promoted
    assert "no need (bert)" in outcome.why
    stage.assert_settled(OLD.digest)


def test_an_abort_without_a_rollout_does_nothing():
    stage = Stage()
    before = stage.deployment.observe()

    assert stage.rollout().abort("bert", "just in case") is None
    assert stage.deployment.observe() == before


def test_an_abort_of_an_ended_rollout_does_nothing():
    stage = Stage()
    stage.run()

    assert stage.rollout().abort("bert", "too late") is None
    stage.assert_settled(NEW.digest)


def test_a_canary_removed_just_before_its_promotion_is_not_called_promoted():
    stage = Stage()
    promote = stage.deployment.promote

    def too_late() -> None:
        stage.deployment.rollback("somebody else")
        promote()

    stage.deployment.promote = too_late  # type: ignore[method-assign]

    outcome = stage.run()

    assert not outcome.promoted
    assert "removed it" in outcome.why
    stage.assert_settled(OLD.digest)


def writes_take(stage: Stage, seconds: float) -> None:
    """Let the stage's traffic go on while its journal writes."""
    write = stage.journal.write

    def slowly(state: Any) -> None:
        stage.clock.sleep(seconds)
        write(state)

    stage.journal.write = slowly  # type: ignore[method-assign]


def test_requests_that_fail_while_the_canary_is_taken_back_are_counted():
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.5)})
    writes_take(stage, 2)
    rollback = stage.deployment.rollback
    failed = []

    def watched(why: str) -> None:
        failed.append(stage.deployment.counts()["weather-00002"].errors)
        rollback(why)

    stage.deployment.rollback = watched  # type: ignore[method-assign]

    outcome = stage.run()

    assert outcome.state is not None
    assert failed == [outcome.state.in_all["weather-00002"].errors]


def kill_at(stage: Stage, write: int) -> bool:
    """Run a rollout that dies at a write; whether it lived that long."""
    fuse = [write]
    rollout = stage.rollout(Mortal(stage.deployment, fuse), Mortal(stage.journal, fuse))
    try:
        rollout.start(NEW, PLAN, PROBES, "anna")
    except Killed:
        return True
    return False


def test_traffic_of_the_old_weight_is_no_evidence_of_a_step_that_was_killed_as_it_began():
    stage = Stage()
    writes_take(stage, 7)
    set_weight = stage.deployment.set_weight

    def dies_at_50(percent: int) -> None:
        set_weight(percent)
        if percent == 50:
            stage.deployment.set_weight = set_weight  # type: ignore[method-assign]
            raise Killed

    stage.deployment.set_weight = dies_at_50  # type: ignore[method-assign]
    with pytest.raises(Killed):
        stage.run()
    assert stage.run().promoted

    looks = [entry for entry in stage.journal.record if entry.get("weight") == 50]
    assert looks
    for entry in looks:
        requests = entry["canary"]["requests"] + entry["stable"]["requests"]
        assert entry["canary"]["requests"] == pytest.approx(requests / 2, abs=requests * 0.01)


def test_a_killed_rollout_is_not_continued_with_another_package():
    stage = Stage()
    assert kill_at(stage, 9)

    with pytest.raises(RolloutRunningError, match=NEW.digest[:12]):
        stage.run(OTHER)


def test_a_killed_rollout_can_be_aborted_by_anybody():
    stage = Stage()
    assert kill_at(stage, 9)

    outcome = stage.rollout().abort("bert", "its machine died")

    assert outcome is not None
    assert not outcome.promoted
    stage.assert_settled(OLD.digest)


def test_the_abort_of_a_rollout_that_died_before_its_canary_starts_none():
    stage = Stage()
    assert kill_at(stage, 2)
    assert stage.deployment.observe().canary is None
    started: list[Release] = []
    stage.deployment.start_canary = started.append  # type: ignore[method-assign]

    assert stage.rollout().abort("bert", "its machine died")

    assert started == []
    stage.assert_settled(OLD.digest)


def test_two_rollouts_at_once_have_one_winner():
    stage = Stage()
    refused = []
    original = stage.clock.sleep

    def sleep(seconds: float) -> None:
        original(seconds)
        with pytest.raises(RolloutRunningError, match="anna"):
            stage.rollout().start(OTHER, PLAN, PROBES, "bert")
        refused.append(True)

    stage.clock.sleep = sleep  # type: ignore[method-assign]

    assert stage.run().promoted
    assert refused
    stage.assert_settled(NEW.digest)


def test_time_without_a_watcher_proves_nothing():
    stage = Stage()
    patient = Plan(steps=(10,), hold_seconds=30, min_requests=1000, patience_seconds=60)
    fuse = [20]
    rollout = stage.rollout(journal=Mortal(stage.journal, fuse))
    with pytest.raises(Killed):
        rollout.start(NEW, patient, PROBES, "anna")
    died_at = rollout.last()
    assert died_at is not None
    assert died_at.weight == 10

    stage.clock.sleep(1000)
    restarted = stage.clock.monotonic()
    outcome = stage.run(plan=patient)

    assert outcome.promoted
    watched_again = stage.clock.monotonic() - restarted
    assert died_at.seconds_at_weight + watched_again >= 30


@pytest.mark.parametrize(("error_share", "end"), [(0.0, NEW), (0.3, OLD)], ids=["good", "bad"])
def test_a_platform_that_fails_three_calls_in_ten_changes_no_end(error_share: float, end: Release):
    """Row 18 of the bar, on the fake."""
    unreliable_ones = ("observe", "counts", "predict", *Mortal.writes[2:])
    for seed in range(20):
        stage = Stage(behaviours={NEW.digest: Behaviour(error_share=error_share)})
        dice = random.Random(seed)
        for name in unreliable_ones:
            unreliable(stage, name, dice)

        while True:
            try:
                outcome = stage.run()
            except DeploymentError:
                # Before anything is written a refusal ends the command, and it is started again.
                assert stage.journal.read() is None
            else:
                break

        assert outcome.promoted is (end is NEW), f"seed {seed}: {outcome.why}"
        for name in unreliable_ones:
            delattr(stage.deployment, name)
        stage.assert_settled(end.digest)


def unreliable(stage: Stage, name: str, dice: random.Random) -> None:
    call = getattr(stage.deployment, name)

    def sometimes(*args: Any) -> Any:
        if dice.random() < 0.3:
            raise DeploymentError("503")
        return call(*args)

    setattr(stage.deployment, name, sometimes)
