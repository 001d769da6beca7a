"""A record told to people: its history, its moments, as Markdown and as a page."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.unit.rollout.stage import NEW, OLD, OTHER, PLAN, Person, Stage
from weathervane.errors import UsageError
from weathervane.rollout.fake import Behaviour
from weathervane.rollout.history import find_package, moments_of, rollouts_of, served
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import PlanStep
from weathervane.rollout.report import render
from weathervane.rollout.summary import as_markdown
from weathervane.rollout.wishes import Kind

HOSTILE = "<script>alert(1)</script> | `x` [a](http://b)\nnext"


@pytest.fixture(scope="module")
def stage() -> Stage:
    """One package taken back, then another promoted after an approval and a hostile request."""
    stage = Stage(behaviours={NEW.digest: Behaviour(error_share=0.3)})
    stage.run()

    def asks(state):
        if state.awaits == 50:
            stage.ask(Kind.PROMOTE, "mallory", HOSTILE)
            return True
        return False

    stage._people = [Person(Kind.APPROVE, asks)]
    stage.run(OTHER, replace(PLAN, steps=(10, PlanStep(weight=50, pause=True))))
    return stage


def test_the_history_names_every_rollout_and_its_end(stage: Stage):
    first, second = rollouts_of(stage.journal.record)

    assert (first.package, first.end, first.begun_by) == (NEW.digest, "rolled-back", "anna")
    assert "the canary failed" in first.why
    assert (second.package, second.end, second.strategy) == (OTHER.digest, "promoted", "canary")


def test_a_rollout_that_has_not_ended_is_told_as_such(stage: Stage):
    past, *_ = rollouts_of(stage.journal.record[:5])

    assert (past.end, past.ended_at) == (None, None)


def test_looks_that_led_to_the_same_are_one_moment(stage: Stage):
    moments = moments_of(stage.journal.record, rollouts_of(stage.journal.record)[1].id)

    told = [(moment.weight, moment.what) for moment in moments]
    assert told[0] == (0, "begun")
    assert (0, "SetWeight 10 %") in told
    assert (10, "promote") in told
    assert told[-1] == (moments[-1].weight, "promoted")
    assert len(told) == len(moments) < len(stage.journal.record) / 2
    looks = [
        e for e in stage.journal.record if e["rollout"] == rollouts_of(stage.journal.record)[1].id
    ]
    assert sum(moment.times for moment in moments) == len(looks)


def test_a_request_that_a_crash_recorded_twice_is_told_once(stage: Stage):
    rollout = rollouts_of(stage.journal.record)[1].id
    twice = [e for e in stage.journal.record for _ in range(1 + (e["event"] == "request"))]

    asked = [m for m in moments_of(twice, rollout) if m.what in ("approve", "promote")]
    assert len(asked) == 2


def test_the_summary_tells_who_asked_for_what(stage: Stage):
    state = stage.rollout().last()
    assert state is not None
    outcome = Outcome(promoted=True, why=state.why, state=state)

    text = as_markdown(outcome, stage.journal.record)

    assert "- approve at 10 %" in text
    assert "mallory" in text
    assert "<script" not in re.sub(r"\\<", "", text)
    assert not any(line.startswith("next") for line in text.splitlines())


def test_the_page_needs_nothing_else_and_runs_nothing(stage: Stage):
    page = render("weather", stage.journal.record, rollouts_of(stage.journal.record)[1].id)

    tags: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append((tag, dict(attrs)))

    Reader().feed(page)
    assert {"polyline", "table", "h1"} <= {tag for tag, _ in tags}
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags}
    assert not any({"src", "href", "onload"} & set(attributes) for _, attributes in tags)
    assert "mallory" in page


def test_the_line_of_the_page_rises_and_falls_with_the_weight(stage: Stage):
    page = render("weather", stage.journal.record, rollouts_of(stage.journal.record)[0].id)

    found = re.search(r'points="([^"]+)"', page)
    assert found
    heights = [float(point.split(",")[1]) for point in found[1].split()]
    assert min(heights) == 160 - 16
    assert heights[0] == 160


def test_a_rollout_that_is_not_in_the_record_is_an_error(stage: Stage):
    with pytest.raises(KeyError):
        render("weather", stage.journal.record, "another")


def test_what_was_served_is_told_the_newest_first_and_named_by_its_first_digits(stage: Stage):
    record = stage.journal.record

    # NEW was taken back: it was never stable.
    assert served(record) == [OTHER.digest, OLD.digest]
    assert find_package(lambda: record, "previous") == OLD.digest
    assert find_package(lambda: record, NEW.digest[:8]) == NEW.digest
    with pytest.raises(UsageError, match="no packages of the record begin with 0123456789ab"):
        find_package(lambda: record, "0123456789ab")
    with pytest.raises(UsageError, match="nothing was served before"):
        find_package(lambda: (), "previous")


@pytest.mark.parametrize("package", ["challenger", "champion", "d" * 64])
def test_what_no_record_is_needed_for_reads_none(package):
    def unreadable():
        raise AssertionError("it was read")

    assert find_package(unreadable, package) == package
