"""A rollout killed at every write, whatever its plan and whatever people ask meanwhile.

Each walk kills the process just after its first write, its second, … until it lives to the end;
before the next write the world is the same. Started again it must end as if nothing had happened,
and started a third time change nothing.
"""

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from tests.unit.rollout import stage as stages
from tests.unit.rollout.stage import NEW, OLD, Killed, Mortal, Person, Stage
from weathervane.errors import ExitCode
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.plan import Plan, PlanStep, Strategy
from weathervane.rollout.port import Release
from weathervane.rollout.state import Phase
from weathervane.rollout.webhook import GateAnswer, HookKind, Webhook
from weathervane.rollout.wishes import Kind

# Few looks a step: each is three writes to be killed at.
PLAN = replace(stages.PLAN, hold_seconds=2)
BLUE_GREEN = replace(PLAN, strategy=Strategy.BLUE_GREEN, steps=())
SHADOW = replace(PLAN, strategy=Strategy.SHADOW, steps=(), mirror_percent=50, min_replayed=10)
PAUSED = replace(PLAN, steps=(10, PlanStep(weight=50, pause=True)))
GATED = replace(
    PLAN,
    steps=(10, 50),
    webhooks=(Webhook(name="change-board", kind=HookKind.GATE, url="https://example.org"),),
)
GOOD = Behaviour()
FAILING = Behaviour(error_share=0.3)
FLIPPING = Behaviour(label=lambda picture: "sunny")


class Hesitant:
    """A gate that is shut every other time."""

    def __init__(self) -> None:
        self._asked = 0

    def tell(self, entry: Any) -> None:
        pass

    def ask(self, entry: Any) -> GateAnswer:
        self._asked += 1
        return GateAnswer(open=self._asked % 2 == 0, message="not yet")

    def finish(self) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Scene:
    plan: Plan = PLAN
    behaviour: Behaviour = GOOD
    people: tuple[Person, ...] = ()
    requests_per_second: float = 500.0
    end: Release = NEW
    phase: Phase = Phase.PROMOTED

    def stage(self) -> Stage:
        return Stage(
            behaviours={NEW.digest: self.behaviour},
            requests_per_second=self.requests_per_second,
            people=self.people,
            outside=Hesitant() if self.plan.has_gates else None,
        )


BACK = {"end": OLD, "phase": Phase.ROLLED_BACK}
APPROVES = Person(Kind.APPROVE, lambda state: state.awaits == 50)
SCENES = {
    "canary": Scene(),
    "canary that fails": Scene(behaviour=FAILING, **BACK),
    "blue-green": Scene(plan=BLUE_GREEN),
    "blue-green that fails": Scene(plan=BLUE_GREEN, behaviour=FAILING, **BACK),
    "shadow": Scene(plan=SHADOW, end=OLD, phase=Phase.CONCLUDED),
    "shadow that fails": Scene(plan=SHADOW, behaviour=FAILING, **BACK),
    "shadow that flips": Scene(
        plan=replace(SHADOW, min_probe_accuracy=0, max_probe_loss=1, max_flip_share=0.1),
        behaviour=FLIPPING,
        **BACK,
    ),
    "shadow told to promote": Scene(plan=replace(SHADOW, promote=True)),
    "step that a person approves": Scene(plan=PAUSED, people=(APPROVES,)),
    "abort while a person is waited for": Scene(
        plan=PAUSED, people=(Person(Kind.ABORT, lambda state: state.awaits == 50),), **BACK
    ),
    "pause and resume": Scene(
        people=(
            Person(Kind.PAUSE, lambda state: state.weight == 10),
            Person(Kind.RESUME, lambda state: "paused" in state.held),
        )
    ),
    "promotion before its time": Scene(
        people=(Person(Kind.PROMOTE, lambda state: state.weight == 10),)
    ),
    "forced promotion": Scene(
        requests_per_second=0.001, people=(Person(Kind.FORCE, lambda state: state.weight == 10),)
    ),
    "abort before any traffic": Scene(people=(Person(Kind.ABORT, lambda state: True),), **BACK),
    "abort at a step": Scene(
        people=(Person(Kind.ABORT, lambda state: state.weight == 50),), **BACK
    ),
    "gates": Scene(plan=GATED),
}


def kill_at(scene: Scene, stage: Stage, write: int) -> bool:
    """Run a rollout that dies just after a write; whether it lived that long."""
    fuse = [write]
    rollout = stage.rollout(Mortal(stage.deployment, fuse), Mortal(stage.journal, fuse))
    try:
        stage.start(rollout, plan=scene.plan)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_killed_at_any_write_and_started_again_it_ends_right(scene: Scene):
    for write in count(1):
        stage = scene.stage()
        if not kill_at(scene, stage, write):
            break
        stage.clock.sleep(7)

        outcome = stage.run(plan=scene.plan)

        state = stage.rollout().last()
        assert state is not None
        assert state.phase is scene.phase, f"killed at write {write}: {state.why}"
        back = scene.phase is Phase.ROLLED_BACK
        assert outcome.exit_code is (ExitCode.ROLLED_BACK if back else ExitCode.DONE)
        stage.assert_settled(scene.end.digest)
        assert stage.deployment.lost == 0
        before = stage.deployment.observe(), list(stage.journal.record)

        again = stage.run(plan=scene.plan)

        assert again.exit_code is outcome.exit_code
        assert (stage.deployment.observe(), list(stage.journal.record)) == before
    # The walk has seen a whole rollout, not an empty one.
    assert write > 5


def test_what_a_person_asked_is_in_the_record_whenever_the_process_is_killed():
    scene = SCENES["step that a person approves"]
    for write in count(1):
        stage = scene.stage()
        if not kill_at(scene, stage, write):
            break
        stage.run(plan=scene.plan)

        asked = {e["id"]: e for e in stage.journal.record if e["event"] == "request"}
        assert [(e["kind"], e["who"], e["step"]) for e in asked.values()] == [
            ("approve", "bert", 50)
        ], f"killed at write {write}"
