"""What `helm install` says afterwards: commands that there are."""

import re

import pytest
import typer

import pipelines.cli
from tests.chart.rendering import CHART, helm
from weathervane.rollout import commands as rollout_commands


def notes(scenario: str) -> str:
    values = ("--values", str(CHART / "ci" / f"{scenario}-values.yaml"))
    done = helm("install", "--dry-run=client", "--namespace", "models", *values)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


@pytest.mark.parametrize("scenario", ["default", "external"])
def test_commands_of_ours_are_there_with_their_options(scenario: str):
    told = [line.split() for line in notes(scenario).splitlines() if line.startswith("  weather")]

    assert [words[1:3] for words in told] == [
        ["pipeline", "submit"],
        ["rollout", "start"],
        ["rollout", "status"],
    ]
    whole = typer.Typer()
    whole.add_typer(rollout_commands.app, name="rollout")
    pipelines.cli.register(whole)
    for _, group, name, *words in told:
        command = typer.main.get_command(whole).commands[group].commands[name]
        options = {option for one in command.params for option in one.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_what_is_not_there_is_said():
    # No cluster is asked, so nothing is.
    ours, theirs = notes("default"), notes("external")

    for said in ("KServe's kinds", "No Prometheus operator", "named by tag"):
        assert said in ours
    assert "named by tag" not in notes("database")
    assert "No Prometheus operator" not in notes("bare")
    assert "service/weathervane-mlflow" in ours
    assert "mlflow" not in theirs
    assert not re.search(r"<no value>|%!|\{\{", ours + theirs)
