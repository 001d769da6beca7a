"""``weathervane rollout``: what a person sees, and the exit codes. The platform is the fake."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.rollout.stage import NEW, OLD, OTHER, PLAN, Person, Stage
from weathervane.errors import DeploymentError, ExitCode, UsageError
from weathervane.rollout import asking_commands, service
from weathervane.rollout.commands import app
from weathervane.rollout.journal import FileJournal
from weathervane.rollout.loop import Rollout
from weathervane.rollout.plan import Plan, PlanStep
from weathervane.rollout.port import Release
from weathervane.rollout.wishes import Kind

PAUSED = replace(PLAN, steps=(10, PlanStep(weight=50, pause=True)))


@dataclass
class FakeService:
    """What `open_service` opens, over a stage."""

    stage: Stage
    journal: Any
    name: str = "weather"

    @property
    def deployment(self) -> Any:
        return self.stage.deployment

    @property
    def registry(self) -> Any:
        return SimpleNamespace(alias=lambda model, name: OLD)

    def record(self) -> Any:
        return list(self.journal.entries())

    def rollout(self, announce: Any = print) -> Rollout:
        return Rollout(self.stage.deployment, self.journal, clock=self.stage.clock)


@pytest.fixture
def stage(tmp_path, monkeypatch) -> Stage:
    stage = Stage()
    stage.journal = FileJournal(tmp_path / "journal")
    opened = FakeService(stage, stage.journal)
    monkeypatch.setattr(service, "open_service", lambda model: opened)
    return stage


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def meanwhile(stage: Stage, *arguments: Any, plan: Plan = PLAN, release: Release = NEW) -> Any:
    """Run a command while a rollout of the stage is at its second step, or waits before it."""
    answers = []

    def now(state: Any) -> bool:
        if state.weight == 50 or state.awaits == 50:
            answers.append(run(*arguments))
            return True
        return False

    stage._people = [Person(Kind.RESUME, now)]
    stage.run(release, plan)
    return answers[0]


def test_the_schema_that_is_printed_is_the_published_one():
    printed = json.loads(run("schema").output)

    assert printed == json.loads(
        (Path(__file__).parents[3] / "docs/plan.schema.json").read_text(encoding="utf-8")
    )


def test_a_plan_is_explained_at_the_rate_that_is_told(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text("strategy: blue-green\nhold_seconds: 30\n")

    answer = run("plan", "--plan", file, "--rate", 100)

    assert answer.exit_code == 0
    assert answer.output.startswith("blue-green: one switch")
    assert "in all: 31 s at 100.0 requests/s" in answer.output


def test_a_plan_that_is_wrong_is_refused_with_its_file(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text("hold_secnds: 30\n")

    answer = run("plan", "--plan", file)

    assert isinstance(answer.exception, UsageError)
    assert f"{file}: hold_secnds" in str(answer.exception)


def test_status_shows_what_is_live_the_lag_and_the_steps(stage: Stage):
    stage.run()

    said = run("status").output

    assert f"stable: weather-00002 {NEW.digest[:12]} 100 % ready" in said
    assert f"alias champion names {OLD.digest[:12]}: it lags behind" in said
    assert "SetWeight" in said


def test_status_says_what_a_person_is_waited_for(stage: Stage):
    said = meanwhile_held(stage, "status").output

    assert "it waits for a person: a person must approve 50 %" in said


def meanwhile_held(stage: Stage, *arguments: Any) -> Any:
    answers = []

    def now(state: Any) -> bool:
        if state.awaits == 50 and not answers:
            answers.append(run(*arguments))
        return bool(answers)

    stage._people = [Person(Kind.APPROVE, now)]
    stage.run(plan=PAUSED)
    return answers[0]


def test_whoever_waits_is_told_that_a_person_is_needed(stage: Stage):
    answer = meanwhile_held(stage, "wait")

    assert answer.exit_code == ExitCode.HELD
    assert "a person must approve 50 %" in answer.output


@pytest.mark.parametrize(
    ("people", "code"),
    [((), ExitCode.DONE), ((Person(Kind.ABORT, lambda state: True),), ExitCode.ROLLED_BACK)],
)
def test_whoever_waits_gets_the_end_and_a_summary(stage: Stage, tmp_path, people: Any, code: int):
    stage._people = list(people)
    stage.run()
    summary = tmp_path / "summary.md"

    answer = run("wait", "--summary", summary)

    assert answer.exit_code == code
    assert summary.read_text().startswith("# Rollout ")


def test_to_wait_for_nothing_is_no_error(stage: Stage):
    assert (run("wait").exit_code, run("wait").output) == (0, "no rollout yet\n")


def test_an_idle_abort_does_nothing(stage: Stage):
    before = stage.deployment.observe()

    answer = run("abort", "--why", "just in case")

    assert answer.exit_code == 0
    assert "nothing to take back" in answer.output
    assert stage.deployment.observe() == before


def test_force_needs_a_reason(stage: Stage):
    assert isinstance(run("promote", "--force").exception, UsageError)


def test_a_request_that_nobody_heeds_says_what_to_do(stage: Stage, monkeypatch):
    monkeypatch.setattr(asking_commands, "_HEEDED_SECONDS", 0.01)

    answer = meanwhile(stage, "pause", "--why", "lunch", "--who", "bert")

    assert isinstance(answer.exception, DeploymentError)
    assert "weathervane rollout start" in str(answer.exception)
    (request,) = [r for r in stage.journal.asked() if r["kind"] == "pause"]
    assert (request["who"], request["why"]) == ("bert", "lunch")


@pytest.mark.parametrize("command", ["pause", "resume", "approve", "promote"])
def test_nothing_can_be_asked_when_no_rollout_runs(stage: Stage, command: str):
    assert isinstance(run(command, "--why", "x").exception, UsageError)


def test_the_history_lists_every_rollout(stage: Stage):
    stage.run()
    stage.run(OTHER)

    said = run("history").output

    assert NEW.digest[:12] in said
    assert OTHER.digest[:12] in said


def test_the_report_is_of_the_last_rollout_or_of_the_one_that_is_named(stage: Stage, tmp_path):
    stage.run()
    first = stage.rollout().last()
    stage.run(OTHER)
    page = tmp_path / "page.html"

    assert run("report", "--out", page).exit_code == 0
    assert OTHER.digest in page.read_text()
    assert first is not None
    assert run("report", first.id, "--out", page).exit_code == 0
    assert NEW.digest in page.read_text()
    assert isinstance(run("report", "another").exception, UsageError)
