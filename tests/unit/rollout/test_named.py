"""A rollout whose name was given before its process began."""

import pytest

from tests.unit.rollout.stage import NEW, OLD, OTHER, PLAN, PROBES, Killed, Mortal, Stage
from weathervane.errors import UsageError
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.port import Release
from weathervane.rollout.wishes import Kind, make_request


def run(stage: Stage, name: str, release: Release = NEW, *, again: bool = False) -> Outcome:
    return stage.rollout().start(release, PLAN, PROBES, "anna", again=again, name=name)


def test_what_was_asked_before_it_began_is_heeded_before_it_changes_anything():
    stage = Stage()
    stage.journal.ask(make_request("earlier", Kind.ABORT, "bert", "another one").as_mapping())
    stage.journal.ask(make_request("r-1", Kind.ABORT, "bert", "wrong package").as_mapping())

    outcome = run(stage, "r-1")

    assert (outcome.promoted, outcome.why) == (False, "aborted: wrong package (bert)")
    assert not any(entry.get("to") for entry in stage.journal.record)
    stage.assert_settled(OLD.digest)
    # What was asked of others, or earlier, is not asked of the next one.
    assert run(stage, "r-2", OTHER).promoted


@pytest.mark.parametrize("good", [True, False])
def test_its_end_stands_whoever_starts_it_again(good):
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.0 if good else 0.3)})
    first = run(stage, "r-1")
    entries = len(stage.journal.record)

    again = run(stage, "r-1", again=True)

    assert (again.promoted, again.state) == (first.promoted, first.state)
    assert len(stage.journal.record) == entries


def test_one_that_others_came_after_is_not_begun_once_more():
    stage = Stage()
    run(stage, "r-1")
    run(stage, "r-2", OTHER)

    with pytest.raises(UsageError, match="r-1 has ended, and others came after it"):
        run(stage, "r-1")
    stage.assert_settled(OTHER.digest)


@pytest.mark.parametrize("write", range(1, 8))
def test_killed_at_its_beginning_it_goes_on_under_its_name(write):
    stage = Stage()
    fuse = [write]
    mortal = stage.rollout(Mortal(stage.deployment, fuse), Mortal(stage.journal, fuse))
    with pytest.raises(Killed):
        mortal.start(NEW, PLAN, PROBES, "anna", name="r-1")

    assert run(stage, "r-1").promoted
    assert {entry["rollout"] for entry in stage.journal.record} == {"r-1"}
