"""What people ask of a rollout that runs, and several rollouts at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest

from tests.unit.rollout.stage import NEW, OLD, OTHER, PLAN, PROBES, Person, Stage
from weathervane.errors import DeploymentError, ExitCode, RolloutRunningError, UsageError
from weathervane.rollout.asking import Asking
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.journal import FileJournal
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import PlanStep, Strategy
from weathervane.rollout.state import Phase, RolloutState
from weathervane.rollout.wishes import Kind

PAUSED = replace(PLAN, steps=(10, PlanStep(weight=50, pause=True)))


def test_waiting_for_a_person_costs_no_patience_and_goes_on_watching():
    long = 20 * PAUSED.patience_seconds
    stage = Stage(people=(Person(Kind.APPROVE, lambda state: state.seconds_held > long),))

    assert stage.run(plan=replace(PAUSED, interval_seconds=5)).promoted

    held = [entry for entry in stage.looks(10) if entry["decision"] == "Hold"]
    assert len(held) > long / 5 - 1
    assert "a person must approve 50 %" in held[-1]["why"]


def test_a_canary_that_turns_bad_while_a_person_is_waited_for_is_taken_back():
    stage = Stage()
    turned = []

    def turn(state: RolloutState) -> bool:
        if state.seconds_held > 60 and not turned:
            stage.deployment._behaviours[NEW.digest] = Behaviour(error_share=0.5)
            turned.append(True)
        return False

    stage._people = [Person(Kind.PAUSE, turn)]

    outcome = stage.run(plan=PAUSED)

    assert not outcome.promoted
    assert "failed" in outcome.why
    stage.assert_settled(OLD.digest)


def test_figures_that_are_away_for_a_moment_after_a_long_pause_take_nothing_back():
    stage = Stage(people=(Person(Kind.APPROVE, lambda state: state.seconds_held > 600),))
    counts = stage.deployment.counts
    begun = stage.clock.monotonic()

    def away_for_a_moment() -> Any:
        return {} if 500 < stage.clock.monotonic() - begun < 510 else counts()

    stage.deployment.counts = away_for_a_moment  # type: ignore[method-assign]

    assert stage.run(plan=PAUSED).promoted


def test_an_approval_is_for_the_step_that_waited_and_for_no_other():
    steps = (PlanStep(weight=10, pause=True), PlanStep(weight=50, pause=True))
    stage = Stage(
        people=(
            Person(Kind.APPROVE, lambda state: state.awaits == 10),
            Person(Kind.ABORT, lambda state: state.awaits == 50 and state.seconds_held > 30),
        )
    )

    outcome = stage.run(plan=replace(PLAN, steps=steps))

    assert "aborted" in outcome.why
    assert [e["to"] for e in stage.journal.record if "to" in e] == [10]


def test_nothing_is_approved_before_it_waits():
    stage = Stage()
    asked = []

    def early(state: RolloutState) -> bool:
        if not asked:
            asked.append(True)
            with pytest.raises(UsageError, match="waits for a person"):
                stage.ask(Kind.APPROVE, "bert")
        return False

    stage._people = [Person(Kind.APPROVE, early)]
    stage.run()

    assert asked


@pytest.mark.parametrize("kind", Kind)
def test_nothing_can_be_asked_of_no_rollout(kind: Kind):
    with pytest.raises(UsageError, match=f"nothing to {kind.value}"):
        Stage().ask(kind, "bert")


def test_a_paused_rollout_begins_no_step_until_it_is_resumed():
    stage = Stage(
        people=(
            Person(Kind.PAUSE, lambda state: state.weight == 10),
            Person(Kind.RESUME, lambda state: state.seconds_held > 500),
        )
    )

    assert stage.run().promoted
    assert stage.looks(10)[-1]["seconds_at_weight"] > 500


def test_promote_leaves_the_other_steps_out_but_not_the_evidence():
    stage = Stage(people=(Person(Kind.PROMOTE, lambda state: state.weight == 10),))

    outcome = stage.run()

    assert outcome.promoted
    assert "his promote (bert)" in outcome.why
    assert [e["to"] for e in stage.journal.record if "to" in e] == [10]
    assert stage.looks(10)[-1]["canary"]["requests"] >= PLAN.min_canary_requests


def test_a_forced_promotion_asks_for_no_evidence_and_says_so():
    stage = Stage(
        requests_per_second=0.001, people=(Person(Kind.FORCE, lambda state: state.weight == 10),)
    )

    outcome = stage.run()

    assert outcome.promoted
    assert outcome.why == "forced: his force (bert)"
    stage.assert_settled(NEW.digest)


def test_even_force_promotes_nothing_that_is_not_ready():
    stage = Stage(
        behaviours={NEW.digest: Behaviour(ready_after_seconds=1e9)},
        people=(Person(Kind.FORCE, lambda state: True),),
    )

    assert not stage.run().promoted
    stage.assert_settled(OLD.digest)


def test_of_several_requests_none_replaces_another():
    stage = Stage()

    def all_at_once(state: RolloutState) -> bool:
        if state.weight == 10 and len(stage.journal.asked()) < 3:
            for kind in (Kind.PAUSE, Kind.RESUME, Kind.PROMOTE):
                stage.ask(kind, "bert", f"a {kind.value}")
        return False

    stage._people = [Person(Kind.ABORT, all_at_once)]

    assert stage.run().promoted
    asked = [e for e in stage.journal.record if e["event"] == "request"]
    assert [(e["kind"], e["who"], e["why"]) for e in asked] == [
        ("pause", "bert", "a pause"),
        ("resume", "bert", "a resume"),
        ("promote", "bert", "a promote"),
    ]


def test_what_was_asked_of_an_earlier_rollout_does_not_count_for_the_next():
    stage = Stage(people=(Person(Kind.ABORT, lambda state: state.weight == 10),))
    assert not stage.run().promoted

    assert stage.run(OTHER).promoted


def test_a_request_is_heeded_when_somebody_drives_and_known_to_wait_when_nobody_does():
    stage = Stage()
    heeded = []

    def asks(state: RolloutState) -> bool:
        if state.weight == 10 and not heeded:
            heeded.append(False)
            asking = Asking(stage.journal, stage.clock)
            # The process that drives has not looked yet, and cannot while this one waits for it.
            heeded[0] = asking.heeded(asking.ask(Kind.PROMOTE, "bert", ""), within=1)
            heeded.append(True)
        return False

    stage._people = [Person(Kind.ABORT, asks)]
    stage.run()
    last = Asking(stage.journal, stage.clock)

    assert heeded == [False, True]
    assert stage.rollout().unfinished() is None
    assert last.follow(give_up_after=1) is None


def test_whoever_follows_comes_back_when_a_person_is_needed():
    stage = Stage()
    seen = []

    def follows(state: RolloutState) -> bool:
        if state.held and not seen:
            asking = Asking(stage.journal, stage.clock)
            seen.append(asking.follow(give_up_after=10, until_held=True))
        return state.awaits == 50

    stage._people = [Person(Kind.APPROVE, follows)]

    assert stage.run(plan=PAUSED).promoted
    assert seen[0].exit_code is ExitCode.HELD
    assert "a person must approve 50 %" in seen[0].why


AT_EVERY_PHASE: dict[str, Callable[[RolloutState], bool]] = {
    "starting": lambda state: state.weight == 0,
    "first step": lambda state: state.weight == 10,
    "settling": lambda state: not state.step_begun,
    "later step": lambda state: state.weight == 50,
    "all traffic": lambda state: state.weight == 100,
    "held": lambda state: bool(state.held),
    "mirrored": lambda state: state.mirror > 0,
}
PLANS = {
    "held": replace(PAUSED, interval_seconds=60),
    "mirrored": replace(PLAN, strategy=Strategy.SHADOW, steps=(), mirror_percent=10),
}


@pytest.mark.parametrize("phase", AT_EVERY_PHASE)
def test_an_abort_at_any_phase_leaves_no_weight_within_ten_seconds(phase: str):
    asked_at = []

    def now(state: RolloutState) -> bool:
        if AT_EVERY_PHASE[phase](state):
            asked_at.append(stage.clock.monotonic())
            return True
        return False

    stage = Stage(people=(Person(Kind.ABORT, now),))

    outcome = stage.run(plan=PLANS.get(phase, PLAN))

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "aborted: his abort (bert)" in outcome.why
    stage.assert_settled(OLD.digest)
    assert stage.clock.monotonic() - asked_at[0] <= 10


@pytest.mark.parametrize("broken", ["counts", "predict", "set_weight"])
def test_an_abort_is_heard_while_the_platform_refuses(broken: str):
    stage = Stage(people=(Person(Kind.ABORT, lambda state: refused[-1:] > [5]),))
    refused: list[int] = []

    def refuses(*args: Any) -> Any:
        refused.append(len(refused))
        if stage.journal.asked() and broken == "set_weight":
            return working(*args)
        raise DeploymentError("503")

    working = getattr(stage.deployment, broken)
    state = stage.rollout().last
    setattr(
        stage.deployment,
        broken,
        lambda *args: refuses(*args) if state() else working(*args),
    )

    outcome = stage.run()

    assert "aborted: his abort (bert)" in outcome.why
    stage.assert_settled(OLD.digest)
    assert len(refused) < 15


def test_an_abort_after_the_promotion_was_decided_comes_too_late_and_is_recorded():
    stage = Stage()
    promote = stage.deployment.promote

    def too_late() -> None:
        stage.ask(Kind.ABORT, "bert", "wait!")
        promote()

    stage.deployment.promote = too_late  # type: ignore[method-assign]

    assert stage.run().promoted
    stage.assert_settled(NEW.digest)
    assert [e["why"] for e in stage.journal.record if e["event"] == "request"] == ["wait!"]


def test_a_package_that_was_taken_back_is_tried_again_only_when_somebody_says_so():
    stage = Stage(people=(Person(Kind.ABORT, lambda state: state.weight == 10),))
    stage.run()
    record = list(stage.journal.record)

    outcome = stage.run()

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "--again" in outcome.why
    assert stage.journal.record == record
    assert stage.rollout().start(NEW, PLAN, PROBES, "anna", again=True).promoted


def test_the_wall_clock_decides_nothing():
    """Row 23 of the bar: set an hour on and back in mid-rollout, every decision is the same."""

    def decisions(hours: float) -> list[dict[str, Any]]:
        stage = Stage()
        looks = iter(range(10_000))
        counts = stage.deployment.counts

        def jumping() -> Any:
            stage.clock.set_forward(timedelta(hours=hours if next(looks) % 2 else -hours))
            return counts()

        stage.deployment.counts = jumping  # type: ignore[method-assign]
        assert stage.run().promoted
        unalike = ("at", "rollout")
        return [
            {key: value for key, value in entry.items() if key not in unalike}
            for entry in stage.journal.record
        ]

    assert decisions(1) == decisions(0)


def test_of_a_hundred_rollouts_at_once_one_wins_and_the_others_name_it(tmp_path):
    """Row 17 of the bar."""
    stage = Stage()
    everybody, refused = Barrier(100), Event()
    told: list[RolloutRunningError] = []
    sleep = stage.clock.sleep

    def sleep_until_all_are_refused(seconds: float) -> None:
        assert refused.wait(30)
        sleep(seconds)

    stage.clock.sleep = sleep_until_all_are_refused  # type: ignore[method-assign]

    def contend(number: int) -> Any:
        journal = FileJournal(tmp_path)
        rollout = Rollout(stage.deployment, journal, clock=stage.clock)
        release = replace(NEW, digest=f"{number:064x}")
        everybody.wait(30)
        try:
            return rollout.start(release, PLAN, PROBES, f"person {number}"), release
        except RolloutRunningError as error:
            told.append(error)
            if len(told) == 99:
                refused.set()
            return None

    with ThreadPoolExecutor(100) as people:
        winners = [end for end in people.map(contend, range(100)) if end]

    (outcome, release), *others = winners
    assert not others
    assert outcome.promoted
    assert {error.exit_code for error in told} == {ExitCode.ROLLOUT_RUNNING}
    first = FileJournal(tmp_path).read()
    assert first is not None
    stage.assert_settled(release.digest)
    # Who came before the first had written its name is told the person at least.
    assert all(first["id"] in str(e) or first["begun_by"] in str(e) for e in told)
    assert {entry["rollout"] for entry in FileJournal(tmp_path).entries()} == {first["id"]}


def test_a_second_rollout_is_refused_with_the_name_of_the_first():
    stage = Stage()
    refused = []

    def second(state: RolloutState) -> bool:
        with pytest.raises(RolloutRunningError, match=state.id) as error:
            stage.rollout().start(OTHER, PLAN, PROBES, "bert")
        refused.append(error.value.exit_code)
        return False

    stage._people = [Person(Kind.ABORT, second)]

    assert stage.run().promoted
    assert set(refused) == {ExitCode.ROLLOUT_RUNNING}


def test_a_rollout_that_ended_in_a_shadow_s_verdict_is_not_unfinished():
    stage = Stage()
    stage.run(plan=PLANS["mirrored"])

    last = stage.rollout().last()
    assert last is not None
    assert (last.phase, stage.rollout().unfinished()) == (Phase.CONCLUDED, None)
