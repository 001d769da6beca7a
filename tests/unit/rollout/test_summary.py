from dataclasses import replace

from weathervane.rollout.fake import FakeClock, FakeDeployment, MemoryJournal
from weathervane.rollout.loop import Rollout
from weathervane.rollout.outcome import Outcome
from weathervane.rollout.plan import Plan
from weathervane.rollout.port import Release
from weathervane.rollout.summary import as_markdown


def test_a_rollout_is_told_with_the_figures_of_each_step():
    clock, journal = FakeClock(), MemoryJournal()
    deployment = FakeDeployment(clock)
    deployment.start_canary(Release(digest="a" * 64, uri="s3://b/a"))
    deployment.promote()
    outcome = Rollout(deployment, journal, clock=clock).start(
        Release(digest="b" * 64, uri="s3://b/b"), Plan(steps=(20, 60), min_probes=0), (), "me"
    )

    told = as_markdown(outcome, journal.record).splitlines()

    assert told[0] == f"# Rollout {outcome.state.id}: promoted"
    rows = [line for line in told if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| weight", "| 0 %", "| 20 %", "| 60 %"]
    assert "20.0%" in rows[2]
    assert {line.replace("\\|", "").count("|") for line in told if line.startswith("|")} == {8}


def test_words_of_others_are_no_markdown():
    clock, journal = FakeClock(), MemoryJournal()
    outcome = Rollout(FakeDeployment(clock), journal, clock=clock).start(
        Release(digest="b" * 64, uri="s3://b/b"), Plan(min_probes=0), (), "me"
    )

    told = as_markdown(replace(outcome, why="a | b\n# [c](d)"), journal.record)

    assert "a \\| b \\# \\[c\\](d)" in told


def test_nothing_to_do_is_said():
    told = as_markdown(Outcome(promoted=True, why="it is the stable revision already"), [])

    assert told == "# Rollout: nothing to do\n\nit is the stable revision already.\n"
