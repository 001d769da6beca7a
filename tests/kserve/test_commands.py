"""``weathervane rollout`` on a cluster: the process that drives, and what a person types."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.kserve.node import Site
from tests.kserve.worlds import SERVICE, SHORT, Stage
from tests.platform.pods import Behaviour
from weathervane.errors import ExitCode
from weathervane.registry.store import Store
from weathervane.registry.versions import CHAMPION
from weathervane.rollout.plan import Plan

pytestmark = pytest.mark.process

QUICK = replace(SHORT, settle_seconds=0.1, interval_seconds=0.1, min_probes=2)


@pytest.fixture
def site(stage: Stage, store: Store, tracking_uri: str, tmp_path: Path) -> Site:
    return Site(stage, store, tracking_uri, tmp_path)


def drive(site: Site, digest: str, plan: Plan = QUICK, *more: str) -> Any:
    text = TypeAdapter(Plan).dump_json(plan).decode()
    command = ["weathervane", "rollout", "drive", digest, "--model", SERVICE, "--who", "anna"]
    return site.drive([*command, "--plan-json", text, *more])


def test_a_process_that_drives_promotes_and_the_alias_follows(site: Site):
    with site.traffic():
        done = drive(site, site.new.digest)

    assert done.returncode == ExitCode.DONE, done.stderr
    assert site.stage.settled(site.new)
    champion = site.registry.alias(SERVICE, CHAMPION)
    assert champion is not None
    assert champion.digest == site.new.digest
    # Its output is the record, one JSON object a line, and holds every look.
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(entry["event"] for entry in printed if "rollout" in entry) == "begun"
    assert printed[-1]["event"] in ("promoted", "said")


@pytest.mark.parametrize("mode", ["Knative"])
def test_a_bad_package_is_taken_back_with_its_code_and_again_is_said_once(site: Site):
    site.stage.cluster.behaviours[site.new.digest] = Behaviour(error_share=0.9)
    with site.traffic():
        assert drive(site, site.new.digest).returncode == ExitCode.ROLLED_BACK
        assert site.stage.settled(site.old)
        first = site.stage.rollout().last()
        assert first is not None
        again = ("--again", first.id)
        assert drive(site, site.new.digest, QUICK, *again).returncode == ExitCode.ROLLED_BACK
        second = site.stage.rollout().last()
        assert second is not None
        assert second.id != first.id
        # A pod that is started again after its rollout has ended begins no other one.
        assert drive(site, site.new.digest, QUICK, *again).returncode == ExitCode.ROLLED_BACK

    assert site.stage.rollout().last() == second
