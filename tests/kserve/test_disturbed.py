"""Rollouts whose process dies, whose calls fail, whose reads lie, and who are not alone."""

import threading
import time

import pytest

from tests.kserve.kills import killed_and_ended
from tests.kserve.worlds import (
    NEW,
    OLD,
    OTHER,
    PLAN,
    SERVICE,
    SHORT,
    Killed,
    MortalApi,
    api,
    await_true,
)
from tests.platform.kinds import ISVC, LEASE
from tests.platform.pods import Behaviour
from tests.platform.server import Fault
from weathervane.errors import DeploymentError, RolloutRunningError
from weathervane.rollout.asking import Asking
from weathervane.rollout.kserve.api import CONFIG_MAP
from weathervane.rollout.kserve.lease import Claim
from weathervane.rollout.port import Release
from weathervane.rollout.wishes import Kind

pytestmark = pytest.mark.process


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
def test_killed_at_a_write_the_next_process_ends_it_rightly(stage, bad):
    """Every write of a rollout is a moment; here some of them, all in `make soak-kserve`."""
    first = 3 * (stage.mode == "Standard") + 7 * bad

    moments = list(killed_and_ended(stage, bad=bad, first=first, stride=29))

    assert len(moments) > 1
    assert all(moments), moments


def test_rollouts_converge_while_a_third_of_the_calls_fails(stage):
    faults = stage.cluster.api.faults
    faults.share = 0.3
    stage.cluster.behaviours[OTHER.digest] = Behaviour(error_share=0.5)

    good = stage.run(NEW)
    bad = stage.run(OTHER)

    faults.share = 0
    assert (good.promoted, bad.promoted) == (True, False), (good.why, bad.why)
    assert stage.settled(NEW)


def test_a_call_is_not_repeated_before_its_retry_after(stage):
    faults = stage.cluster.api.faults
    faults.next.append((lambda call: True, Fault(status=429, retry_after="1")))
    since = time.monotonic()

    stage.api.get(CONFIG_MAP, "anything")

    assert time.monotonic() - since >= 1


def test_a_rollout_goes_on_after_the_api_server_was_away(stage):
    """Serving goes on meanwhile: pods and routes do not ask the API server."""

    def come_back() -> None:
        stage.cluster.api.faults.down = False

    def go_away(now: float) -> None:
        if stage.deployment.observe().weight == 10:
            stage.clock.asleep.clear()
            stage.cluster.api.faults.down = True
            threading.Timer(0.5, come_back).start()

    stage.clock.asleep.append(go_away)

    try:
        outcome = stage.run()
    except DeploymentError:
        # A write met the outage. The Job starts its pod again.
        await_true(lambda: not stage.cluster.api.faults.down)
        stage.open()
        outcome = stage.run()

    assert outcome.promoted
    assert stage.settled(NEW)
    assert stage.clock.failed == 0


def test_reads_of_the_past_lead_to_no_wrong_patch(stage):
    stage.cluster.api.stale = {ISVC: 2}
    stage.cluster.api.stale_share = 0.4

    good = stage.run(NEW)
    stage.cluster.behaviours[OTHER.digest] = Behaviour(error_share=0.5)
    bad = stage.run(OTHER)

    stage.cluster.api.stale = {}
    assert (good.promoted, bad.promoted) == (True, False), (good.why, bad.why)
    assert stage.settled(NEW)
    assert stage.clock.failed <= PLAN.max_failed_requests


def test_of_two_who_start_at_once_one_drives_and_the_other_is_told(stage):
    told: list[object] = []

    def start(release: Release) -> None:
        mine = stage.another()
        try:
            told.append(mine.run(release, SHORT).promoted)
        except RolloutRunningError as error:
            told.append(error)

    both = [threading.Thread(target=start, args=(release,)) for release in (NEW, OTHER)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    won = [answer for answer in told if answer is True]
    assert len(told) == 2
    # Either may come when the other has ended: then both are promoted, one after the other.
    assert len(won) == 2 or any(isinstance(answer, RolloutRunningError) for answer in told)
    live = stage.deployment.observe()
    assert live.stable is not None
    assert stage.settled(NEW if live.stable.digest == NEW.digest else OTHER)


def test_a_holder_that_died_does_not_keep_its_claim_and_one_that_lives_does(cluster):
    def claim(seconds: int = 1) -> Claim:
        return Claim(api(cluster), SERVICE, seconds=seconds)

    dead = MortalApi(cluster, moment=1_000)

    def die() -> None:
        with Claim(dead, SERVICE, seconds=1).held("anna"):
            dead.dead = True
            raise Killed

    with pytest.raises(Killed):
        die()
    since = time.monotonic()
    with claim().held("boris"):
        # Its whole duration had to pass without a sign of life.
        assert time.monotonic() - since >= 1
        with pytest.raises(RolloutRunningError, match="boris"), claim().held("clara"):
            pass
    with claim().held("clara"):
        pass


def test_a_claim_does_not_depend_on_anybodys_clock(cluster):
    with Claim(api(cluster), SERVICE, seconds=1).held("anna"):
        lease = cluster.objects.get((LEASE, "models", f"weathervane-{SERVICE}"))
        lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
        cluster.objects.replace((LEASE, "models", f"weathervane-{SERVICE}"), lease)
        with (
            pytest.raises(RolloutRunningError),
            Claim(api(cluster), SERVICE, seconds=1).held("boris"),
        ):
            pass


def test_who_lost_the_claim_unknowingly_can_change_nothing_any_more(stage):
    with stage.journal.claim("anna"):
        stage.deployment.start_canary(NEW)
        stage.await_ready()
        # Anna's process is stopped for a while; her claim runs out, and Boris takes over.
        taken = stage.another()
        taken.notebook.take("boris 1")
        before = stage.cluster.isvc(SERVICE)

        with pytest.raises(RolloutRunningError, match="another process"):
            stage.deployment.set_weight(50)
        with pytest.raises(RolloutRunningError):
            stage.journal.write({"state": "of anna"})

        after = stage.cluster.isvc(SERVICE)
        assert after["spec"] == before["spec"]


@pytest.mark.parametrize("weight", [0, 10, 50])
def test_an_abort_at_any_weight_leaves_none(stage, weight):
    asked = []

    def abort(now: float) -> None:
        if stage.deployment.observe().weight == weight and not asked:
            asked.append(weight)
            Asking(stage.journal).ask(Kind.ABORT, "boris", "a test")

    # At weight 0 the rollout sleeps only while the canary starts.
    stage.cluster.behaviours[NEW.digest] = Behaviour(ready_after_seconds=0.1)
    stage.clock.asleep.append(abort)

    outcome = stage.run()

    assert asked
    assert not outcome.promoted
    assert "boris" in outcome.why
    assert stage.settled(OLD)


def test_an_abort_without_a_rollout_changes_nothing(stage):
    before = stage.cluster.isvc(SERVICE)

    assert stage.rollout().abort("anna", "nothing runs") is None

    assert stage.cluster.isvc(SERVICE) == before
