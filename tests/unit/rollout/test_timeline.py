from dataclasses import replace

from tests.unit.rollout.stage import NEW, PLAN, Stage
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.plan import Strategy
from weathervane.rollout.timeline import steps_of

SHADOW = replace(PLAN, strategy=Strategy.SHADOW, steps=(), mirror_percent=50)


def test_a_rollout_is_told_as_its_steps():
    stage = Stage()
    outcome = stage.run()
    assert outcome.state is not None

    steps = steps_of(stage.journal.record, outcome.state.id)

    assert [step.weight for step in steps] == [0, 10, 50, 100]
    assert [step.decision for step in steps] == ["SetWeight", "SetWeight", "SetWeight", "Promote"]
    assert all(step.split_holds and step.requests >= 1000 for step in steps[1:])
    assert [step.canary_accuracy for step in steps] == [1.0, 1.0, 1.0, 1.0]


def test_a_step_that_harmed_says_so():
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.5)})
    outcome = stage.run()
    assert outcome.state is not None

    last = steps_of(stage.journal.record, outcome.state.id)[-1]

    assert (last.weight, last.decision) == (10, "Rollback")
    assert last.canary_errors > 0
    assert last.stable_errors == 0


def test_other_rollouts_are_left_out():
    stage = Stage()
    stage.run()

    assert steps_of(stage.journal.record, "another") == []


def test_a_mirrored_step_is_one_of_its_own():
    stage = Stage()
    outcome = stage.run(plan=SHADOW)
    assert outcome.state is not None

    steps = steps_of(stage.journal.record, outcome.state.id)

    assert [(step.title, step.decision) for step in steps] == [
        ("0 %", "SetMirror"),
        ("copy of 50 %", "Conclude"),
    ]
