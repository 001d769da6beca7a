"""What each strategy does with traffic, on a fake platform."""

from dataclasses import replace

import pytest

from tests.unit.rollout.stage import NEW, OLD, PLAN, Stage
from weathervane.errors import ExitCode, UsageError
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.plan import Plan, Strategy
from weathervane.rollout.port import Capability
from weathervane.rollout.state import Phase

BLUE_GREEN = replace(PLAN, strategy=Strategy.BLUE_GREEN, steps=())
SHADOW = replace(PLAN, strategy=Strategy.SHADOW, steps=(), mirror_percent=50)
REPLAY = replace(PLAN, strategy=Strategy.SHADOW, steps=(), min_replayed=20)
FLIPPING = Behaviour(label=lambda picture: "sunny")


def test_blue_green_is_probed_at_0_and_then_gets_all_traffic_at_once():
    stage = Stage()

    assert stage.run(plan=BLUE_GREEN).promoted

    stage.assert_settled(NEW.digest)
    decided = [e["decision"] for e in stage.looks(0)]
    assert decided[-2:] == ["Probe", "SetWeight"]
    assert [e["to"] for e in stage.journal.record if "to" in e] == [100]
    assert stage.looks(100)[-1]["seconds_at_weight"] >= BLUE_GREEN.hold_seconds


def test_blue_green_keeps_the_old_revision_until_the_promotion_and_goes_back_to_it():
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.2)})
    stables = []
    set_weight = stage.deployment.set_weight

    def watched(percent: int) -> None:
        set_weight(percent)
        stables.append((percent, stage.stable))

    stage.deployment.set_weight = watched  # type: ignore[method-assign]

    assert not stage.run(plan=BLUE_GREEN).promoted

    assert stables == [(100, OLD.digest), (0, OLD.digest)]
    stage.assert_settled(OLD.digest)
    assert stage.deployment.lost == 0


def test_a_shadow_serves_nobody_and_is_removed_after_its_verdict():
    stage = Stage()
    weights = []
    set_weight = stage.deployment.set_weight
    stage.deployment.set_weight = lambda percent: (  # type: ignore[method-assign]
        weights.append(percent),
        set_weight(percent),
    )[1]

    outcome = stage.run(plan=SHADOW)

    assert (outcome.promoted, outcome.exit_code) == (False, ExitCode.DONE)
    assert outcome.state is not None
    assert outcome.state.phase is Phase.CONCLUDED
    stage.assert_settled(OLD.digest)
    assert set(weights) <= {0}
    mirrored = [e for e in stage.looks(0) if e["mirror"]][-1]
    assert mirrored["canary"]["requests"] == pytest.approx(
        mirrored["stable"]["requests"] / 2, rel=0.05
    )


def test_a_shadow_that_fails_on_its_copies_is_taken_back_and_harms_nobody():
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.3)})

    outcome = stage.run(plan=SHADOW)

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert outcome.state is not None
    assert outcome.state.in_all["weather-00001"].errors == 0
    stage.assert_settled(OLD.digest)


def test_a_shadow_promotes_only_when_it_is_told_to():
    stage = Stage()

    assert stage.run(plan=replace(SHADOW, promote=True)).promoted
    stage.assert_settled(NEW.digest)


def test_a_replayed_shadow_compares_answers_without_any_mirror():
    stage = Stage(capabilities=frozenset({Capability.WEIGHT}))

    assert stage.run(plan=REPLAY).exit_code is ExitCode.DONE

    assert stage.looks(0)[-1]["flips"] == {"total": 40, "share": 0.0, "table": {}}
    stage.assert_settled(OLD.digest)


def test_answers_that_flip_end_a_shadow_and_the_record_says_which():
    stage = Stage(behaviours={NEW.digest: FLIPPING})
    blind = replace(REPLAY, min_probe_accuracy=0, max_probe_loss=1, max_flip_share=0.1)

    outcome = stage.run(plan=blind)

    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert "50.0% of 40 replayed pictures differently, most often rainy → sunny (20)" in outcome.why


def test_a_replay_that_nobody_answers_is_asked_again_and_then_given_up():
    stage = Stage()
    predict = stage.deployment.predict
    probed = []

    def silent(revision, pictures):
        # The probes are answered; what comes after them is not.
        probed.append(revision)
        if len(probed) > 2:
            from weathervane.errors import DeploymentError

            raise DeploymentError("no answer")
        return predict(revision, pictures)

    stage.deployment.predict = silent  # type: ignore[method-assign]

    outcome = stage.run(plan=REPLAY)

    assert "not answered within 120 s: no answer" in outcome.why
    stage.assert_settled(OLD.digest)


@pytest.mark.parametrize(
    ("plan", "lacks", "said"),
    [
        (SHADOW, Capability.MIRROR, "needs mirror"),
        (PLAN, Capability.WEIGHT, "needs weight"),
        (BLUE_GREEN, Capability.WEIGHT, "needs weight"),
    ],
)
def test_a_plan_that_needs_what_the_platform_lacks_is_refused_before_any_write(
    plan: Plan, lacks: Capability, said: str
):
    stage = Stage(capabilities=frozenset(Capability) - {lacks})
    before = stage.deployment.observe()

    with pytest.raises(UsageError, match=said):
        stage.run(plan=plan)

    assert stage.deployment.observe() == before
    assert (stage.journal.read(), stage.journal.record) == (None, [])


def test_a_shadow_without_a_stable_revision_is_refused():
    stage = Stage(first=True)

    with pytest.raises(UsageError, match="there is none yet"):
        stage.run(plan=SHADOW)

    assert stage.journal.read() is None


def test_too_few_pictures_to_replay_are_refused():
    stage = Stage()

    with pytest.raises(UsageError, match="at least 41 pictures to replay, got 40"):
        stage.run(plan=replace(REPLAY, min_replayed=41))
