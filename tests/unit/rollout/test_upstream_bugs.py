"""Bugs that others had and an engine without a platform can have too, each replayed on the fake.

Numbers are those of argoproj/argo-rollouts, fluxcd/flagger and kserve/kserve on GitHub.
"""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.rollout.stage import NEW, OLD, OTHER, PLAN, PROBES, Person, Stage
from weathervane.errors import DeploymentError, ExitCode, RolloutRunningError
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.plan import Plan
from weathervane.rollout.state import RolloutState
from weathervane.rollout.wishes import Kind


def at_50(state: RolloutState) -> bool:
    return state.weight == 50


def refuse(stage: Stage, method: str, *, times: int) -> list[int]:
    """Let a write to the platform be refused so many times, as by a conflict; returns the count."""
    write, refused = getattr(stage.deployment, method), [0]

    def conflicting(*args: Any) -> Any:
        if refused[0] < times:
            refused[0] += 1
            raise DeploymentError("409: the object has been modified")
        return write(*args)

    setattr(stage.deployment, method, conflicting)
    return refused


def test_argo_4841_an_abort_leaves_no_weight_to_the_canary():
    """There a floor on the canary's pods kept its weight above 0 for ever after an abort."""
    stage = Stage(people=(Person(Kind.ABORT, at_50),))

    stage.run(plan=replace(PLAN, steps=(5, 50, 100)))

    stage.assert_settled(OLD.digest)


def test_argo_4841_an_abort_that_left_weight_behind_is_no_success():
    """The same, seen from outside: what the platform still does is looked at, not assumed."""
    stage = Stage(people=(Person(Kind.ABORT, at_50),))
    stage.deployment.rollback = lambda why: None  # type: ignore[method-assign]
    stage.deployment.set_weight, taken = (  # type: ignore[method-assign]
        lambda percent: taken(percent) if percent else None,
        stage.deployment.set_weight,
    )

    with pytest.raises(DeploymentError, match="still sends it 50 % of the traffic"):
        stage.run()

    assert stage.rollout().unfinished() is not None


def test_argo_1292_an_abort_without_a_rollout_touches_nothing():
    """There it scaled the stable revision to 0."""
    stage = Stage()
    stage.run()
    before = stage.deployment.observe()

    assert stage.rollout().abort("bert", "just in case") is None
    stage.clock.sleep(10)
    stage.deployment.counts()

    assert stage.deployment.observe() == before
    assert stage.deployment.lost == 0


def test_argo_4461_an_abort_counts_after_a_full_promotion_was_asked_for():
    """There a promotion that waited for a canary to become healthy swallowed the abort."""
    stage = Stage(
        behaviours={NEW.digest: Behaviour(ready_after_seconds=1e9)},
        people=(
            Person(Kind.FORCE, lambda state: True),
            Person(Kind.ABORT, lambda state: state.wishes.force is not None),
        ),
    )

    outcome = stage.run()

    assert "aborted: his abort" in outcome.why
    assert stage.clock.monotonic() < 100 + 10
    stage.assert_settled(OLD.digest)


def test_argo_3331_a_rollout_that_would_supersede_another_is_refused_and_neither_sticks():
    """There the third revision stuck, and the second was never taken down."""
    stage = Stage()
    refused = []

    def supersede(state: RolloutState) -> bool:
        if at_50(state) and not refused:
            with pytest.raises(RolloutRunningError, match=state.id) as error:
                stage.rollout().start(OTHER, PLAN, PROBES, "bert")
            refused.append(error.value.exit_code)
        return bool(refused)

    stage._people = [Person(Kind.ABORT, supersede)]

    assert not stage.run().promoted
    assert refused == [ExitCode.ROLLOUT_RUNNING]
    assert stage.run(OTHER).promoted
    stage.assert_settled(OTHER.digest)


@pytest.mark.parametrize("write", ["start_canary", "set_weight", "promote"])
def test_argo_1775_a_conflict_is_no_verdict(write: str):
    """There one 409 while scaling made the rollout degraded for good."""
    stage = Stage()
    refused = refuse(stage, write, times=3)

    assert stage.run().promoted
    assert refused == [3]
    stage.assert_settled(NEW.digest)


def test_argo_1775_a_conflict_on_the_way_back_leaves_no_canary():
    """The same on the way back."""
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.5)})
    refuse(stage, "rollback", times=3)

    assert not stage.run().promoted
    stage.assert_settled(OLD.digest)


def test_argo_1775_a_platform_that_goes_on_refusing_is_an_error_that_can_be_gone_on_from():
    """The same, when it lasts: the rollout stays where it was, and the next start goes on."""
    stage = Stage()
    refused = refuse(stage, "set_weight", times=10**9)
    with pytest.raises(DeploymentError, match="409"):
        stage.run()
    assert refused[0] > 10

    refuse(stage, "set_weight", times=0)
    del stage.deployment.__dict__["set_weight"]

    assert stage.run().promoted
    stage.assert_settled(NEW.digest)


def test_argo_2929_nothing_is_retried_by_itself_after_an_abort():
    """There the aborted rollout came back paused at its first step."""
    stage = Stage(people=(Person(Kind.ABORT, at_50),))
    stage.run()
    before = stage.deployment.observe(), list(stage.journal.record)
    # A supervisor starts the same command again, as it would after a crash.
    for _ in range(3):
        stage.clock.sleep(60)
        assert stage.run().exit_code is ExitCode.ROLLED_BACK

    assert (stage.deployment.observe(), list(stage.journal.record)) == before


def test_argo_1665_an_aborted_canary_gets_no_further_request():
    """There the aborted canary went on getting traffic."""
    stage = Stage(people=(Person(Kind.ABORT, at_50),))
    requests = []
    rollback = stage.deployment.rollback

    def watched(why: str) -> None:
        # Its traffic is gone before it is removed, and stays so.
        before = stage.deployment.counts()["weather-00002"].requests
        stage.clock.sleep(30)
        requests.append(stage.deployment.counts()["weather-00002"].requests - before)
        rollback(why)

    stage.deployment.rollback = watched  # type: ignore[method-assign]
    stage.run()

    assert requests == [0]
    assert stage.deployment.lost == 0


@pytest.mark.parametrize("write", ["promote", "observe"])
def test_flagger_1898_a_promotion_that_fails_removes_nothing_that_serves(write: str):
    """There all traffic went to a primary that did not start, and the good canary was removed."""
    stage = Stage()
    removed = []
    stage.deployment.rollback = removed.append  # type: ignore[assignment]
    promote = stage.deployment.promote

    def refuses() -> None:
        refuse(stage, write, times=10**9)
        raise DeploymentError("the primary does not start")

    stage.deployment.promote = refuses  # type: ignore[method-assign]
    with pytest.raises(DeploymentError):
        stage.run()

    stage.deployment.__dict__.pop("observe", None)
    stage.deployment.promote = promote  # type: ignore[method-assign]
    live = stage.deployment.observe()
    assert live.canary is not None
    assert (live.canary.digest, live.weight) == (NEW.digest, 100)
    assert (removed, stage.deployment.lost) == ([], 0)
    assert stage.run().promoted


def test_flagger_1931_a_way_back_to_a_stable_that_is_broken_claims_no_safety():
    """There "rolled back" was said of a primary that was not ready."""
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.5)})
    stage.deployment._behaviours[OLD.digest] = Behaviour(ready_after_seconds=1e9)

    outcome = stage.run()

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "stable is not ready itself" in outcome.why


def test_flagger_1931_a_good_canary_is_not_given_up_for_a_broken_stable():
    """The same: without anything against the canary a person decides, not the end of patience."""
    stage = Stage(people=(Person(Kind.FORCE, lambda state: state.seconds_held > 60),))
    stage.deployment._behaviours[OLD.digest] = Behaviour(ready_after_seconds=1e9)
    begun = stage.clock.monotonic()
    counts = stage.deployment.counts
    # A stable that is down has no figures.
    stage.deployment.counts = lambda: {  # type: ignore[method-assign]
        name: seen
        for name, seen in counts().items()
        if name != "weather-00001" or stage.clock.monotonic() - begun < 5
    }

    outcome = stage.run()

    assert outcome.promoted
    assert outcome.why == "forced: his force (bert)"
    held = [e["why"] for e in stage.looks(10) if e["decision"] == "Hold"]
    assert "stable is not ready: promote --force or abort" in held[-1]


def test_flagger_30_a_canary_that_is_replaced_in_mid_rollout_inherits_no_evidence():
    """There a new revision went on where the analysis of the old one had come to."""
    stage = Stage()

    def replace_it(state: RolloutState) -> bool:
        if at_50(state) and state.step_begun:
            stage.deployment.rollback("somebody else")
            stage.deployment.start_canary(OTHER)
            stage.deployment.set_weight(50)
            return True
        return False

    stage._people = [Person(Kind.RESUME, replace_it)]

    outcome = stage.run()

    assert not outcome.promoted
    assert "another package" in outcome.why
    stage.assert_settled(OLD.digest)


def test_flagger_30_a_canary_that_is_replaced_just_before_its_promotion_is_not_promoted():
    """The same at the last moment."""
    stage = Stage()
    write = stage.journal.write

    def replace_it(state: Any) -> None:
        write(state)
        if state["phase"] == "promoting":
            stage.deployment.rollback("somebody else")
            stage.deployment.start_canary(OTHER)

    stage.journal.write = replace_it  # type: ignore[method-assign]

    assert not stage.run().promoted
    stage.assert_settled(OLD.digest)


def test_flagger_1035_no_traffic_at_all_is_said_and_promotes_nothing():
    """There a service without requests failed with a query error that nobody understood."""
    stage = Stage(requests_per_second=0.001)

    outcome = stage.run()

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "no traffic at all at 10 %" in outcome.why


def test_flagger_1689_figures_that_are_missing_in_one_look_stop_no_rollout():
    """There one empty answer of the metrics halted the analysis, and the next look advanced it."""
    stage = Stage()
    counts, looks = stage.deployment.counts, iter(range(10**6))
    stage.deployment.counts = lambda: (  # type: ignore[method-assign]
        {} if next(looks) % 5 == 4 else counts()
    )

    assert stage.run().promoted
    for entry in stage.journal.record:
        if entry.get("decision") in ("SetWeight", "Promote") and entry["weight"]:
            requests = entry["canary"]["requests"] + entry["stable"]["requests"]
            assert requests >= PLAN.min_requests


def test_kserve_2130_traffic_that_a_new_canary_gets_before_its_time_is_taken_away():
    """There a canary after a rollback got the weight that the one before it had had."""
    stage = Stage()
    start_canary = stage.deployment.start_canary

    def leaky(release: Any) -> None:
        fresh = stage.deployment.observe().canary is None
        start_canary(release)
        if fresh:
            stage.deployment.set_weight(30)

    stage.deployment.start_canary = leaky  # type: ignore[method-assign]

    assert stage.run(plan=replace(PLAN, min_probe_accuracy=1)).promoted
    assert stage.looks(0)
    assert all(not (e["canary"] and e["canary"]["requests"]) for e in stage.looks(0))


def test_kserve_2130_a_split_that_is_not_the_one_asked_for_promotes_nothing():
    """The same, when the platform goes on leaking: the split is measured."""
    stage = Stage()
    set_weight = stage.deployment.set_weight
    stage.deployment.set_weight = lambda percent: (  # type: ignore[method-assign]
        set_weight(min(100, percent + 20 * (percent > 0)))
    )

    outcome = stage.run()

    assert not outcome.promoted
    assert "not the 10 % asked for" in outcome.why
    stage.assert_settled(OLD.digest)


def test_kserve_2040_a_way_back_that_ends_at_another_revision_is_said():
    """There a new canary, or the way back from it, ended at the version before the last."""
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.5)})
    rollback = stage.deployment.rollback

    def wrong(why: str) -> None:
        rollback(why)
        stage.deployment.start_canary(OTHER)
        stage.deployment.promote()

    stage.deployment.rollback = wrong  # type: ignore[method-assign]

    outcome = stage.run()

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    told = f"stable is {OTHER.digest[:12]} now, and was {OLD.digest[:12]} before"
    assert told in outcome.why


def test_kserve_2097_a_promotion_that_ends_at_another_revision_is_none():
    """There the promotion fell back to the revision before."""
    stage = Stage()
    stage.deployment.promote = lambda: stage.deployment.rollback(  # type: ignore[method-assign]
        "falls back"
    )

    outcome = stage.run()

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    stage.assert_settled(OLD.digest)


def test_argo_an_analysis_that_ends_early_is_no_success():
    """There an analysis that was cut short counted as one that had passed."""
    stage = Stage()
    predict = stage.deployment.predict
    stage.deployment.predict = (
        lambda revision, pictures: (  # type: ignore[method-assign]
            predict(revision, pictures)[:-1]
        )
    )

    outcome = stage.run()

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "weather-00002 answered 39 of 40 pictures" in outcome.why
    stage.assert_settled(OLD.digest)


def test_argo_a_canary_that_makes_no_progress_is_taken_back_by_default():
    """There the deadline for progress aborted nothing unless somebody asked for it."""
    stage = Stage(behaviours={NEW.digest: Behaviour(ready_after_seconds=1e9)})

    outcome = stage.run(plan=Plan())

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "was not ready within 120 s" in outcome.why
    stage.assert_settled(OLD.digest)
