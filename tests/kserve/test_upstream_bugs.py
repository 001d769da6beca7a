"""Bugs of other controllers, replayed here: none of them may be ours."""

import time
from dataclasses import replace

import pytest

from tests.kserve.worlds import NEW, OLD, OTHER, PACE, PLAN, SERVICE, Stage, api, await_true
from tests.platform.cluster import NAMESPACE
from tests.platform.kinds import ISVC, POD
from tests.platform.pods import Behaviour
from tests.platform.server import Call, Fault
from weathervane.errors import DeploymentError, RolloutRunningError
from weathervane.rollout.asking import Asking
from weathervane.rollout.wishes import Kind

pytestmark = pytest.mark.process


def asked_to_end(stage: Stage, weight: int) -> None:
    """Let somebody abort the rollout when it is at a weight."""

    def ask(now: float) -> None:
        if stage.rollout().unfinished() and stage.deployment.observe().weight == weight:
            stage.clock.asleep.clear()
            Asking(stage.journal).ask(Kind.ABORT, "boris", "a test")

    stage.clock.asleep.append(ask)


def test_argo_4841_an_abort_leaves_no_weight_on_the_canary(stage):
    asked_to_end(stage, 50)

    assert not stage.run().promoted

    assert stage.serving == {OLD.digest: 100}
    spec = stage.cluster.isvc(SERVICE)["spec"]
    assert not spec["predictor"].get("canaryTrafficPercent")
    assert not spec.get("canary")


def test_argo_1292_an_abort_without_a_rollout_takes_nothing_down(stage):
    pods = {pod["metadata"]["name"] for pod in stage.cluster.objects.of_kind(POD)}

    stage.rollout().abort("anna", "nothing runs")

    time.sleep(0.05)
    assert {pod["metadata"]["name"] for pod in stage.cluster.objects.of_kind(POD)} == pods
    assert stage.cluster.send(SERVICE, 100) == 100


def test_argo_4461_an_abort_is_heard_while_the_canary_starts_for_ever(stage):
    stage.cluster.behaviours[NEW.digest] = Behaviour(ready_after_seconds=1e9)
    asked_to_end(stage, 0)

    outcome = stage.run()

    assert "aborted" in outcome.why
    assert stage.clock.monotonic() < PLAN.start_seconds
    assert stage.settled(OLD)


def test_argo_3331_a_superseded_rollout_is_refused_and_does_not_stick(stage):
    stage.clock.asleep.append(lambda now: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        stage.run(NEW)
    stage.clock.asleep.clear()
    stage.open()

    with pytest.raises(RolloutRunningError, match="unfinished"):
        stage.run(OTHER)
    assert stage.rollout().abort("anna", "OTHER is better") is not None

    assert stage.run(OTHER).promoted
    assert stage.settled(OTHER)


def test_argo_1775_a_conflict_degrades_nothing(stage):
    def changes(call: Call) -> bool:
        return call.key[0] == ISVC and call.writes

    stage.cluster.api.faults.next += [(changes, Fault(status=409))] * 4

    assert stage.run().promoted

    assert not stage.cluster.api.faults.next
    assert stage.settled(NEW)


def test_argo_2929_nothing_starts_again_by_itself_after_an_abort(stage):
    asked_to_end(stage, 10)
    stage.run()
    before = stage.cluster.isvc(SERVICE)["metadata"]["generation"]

    stage.open()
    assert stage.rollout().unfinished() is None
    stage.deployment.observe()
    time.sleep(0.05)

    assert stage.cluster.isvc(SERVICE)["metadata"]["generation"] == before
    assert stage.settled(OLD)


def test_argo_1665_an_aborted_canary_gets_no_traffic_from_the_next_rollout(stage):
    """Measured on a cluster: a broken image at 30 % sent 30 % to what was just taken back."""
    asked_to_end(stage, 50)
    stage.run(NEW)
    stage.cluster.behaviours[OTHER.digest] = Behaviour(fails_to_load="broken")
    before = stage.taken_by(NEW.digest)

    stage.deployment.start_canary(OTHER)
    if stage.mode == "Knative":
        with pytest.raises(DeploymentError, match="latest revision that is ready"):
            stage.deployment.set_weight(30)
    else:
        stage.deployment.set_weight(30)

    assert stage.cluster.send(SERVICE, 500) == 500
    assert stage.serving == {OLD.digest: 100}
    # Its pods may be gone by now, and what they counted with them.
    assert stage.taken_by(NEW.digest) <= before


def test_flagger_1898_1931_a_rollback_onto_a_broken_stable_is_not_called_healthy(stage):
    stable = stage.deployment.observe().stable
    assert stable is not None
    stage.deployment.start_canary(NEW)
    stage.await_ready()
    stage.cluster.behaviours[OLD.digest] = Behaviour(fails_to_load="OOMKilled")
    stage.cluster.workloads.each(stable.name, lambda pod: setattr(pod, "crashed", True))

    def seen_broken() -> bool:
        now = stage.deployment.observe().stable
        return now is not None and not now.ready

    await_true(seen_broken)
    if stage.mode == "Standard":
        # KServe leaves the route as it is while stable is not ready: httproute_reconciler.go.
        stage.open(api(stage.cluster, pace=replace(PACE, act_seconds=0.3)))
        with pytest.raises(DeploymentError, match="OOMKilled"):
            stage.deployment.rollback("the canary is no better")
    else:
        stage.deployment.rollback("the canary is no better")

    after = stage.deployment.observe().stable
    assert after is not None
    assert (after.name, after.ready) == (stable.name, False)
    assert "OOMKilled" in after.message


def test_flagger_30_a_revision_that_changes_in_mid_rollout_is_not_judged_as_the_canary(stage):
    def edit(now: float) -> None:
        live = stage.deployment.observe()
        if live.weight == 10:
            stage.clock.asleep.clear()
            isvc = stage.cluster.isvc(SERVICE)
            model = (
                isvc["spec"]["predictor"]["model"]
                if stage.mode == "Knative"
                else isvc["spec"]["canary"][0]["predictor"]["model"]
            )
            model["storageUri"] = OTHER.uri
            stage.cluster.objects.replace((ISVC, NAMESPACE, SERVICE), isvc, "kubectl-edit")

    stage.clock.asleep.append(edit)

    with pytest.raises(DeploymentError, match="held: somebody else changed"):
        stage.run()

    state = stage.rollout().last()
    assert state is not None
    assert not state.ended


def test_flagger_1035_1689_without_traffic_the_analysis_ends_and_promotes_nothing(cluster, mode):
    stage = Stage(cluster, mode, requests_per_second=0)

    outcome = stage.run()

    assert not outcome.promoted
    assert "no traffic at all" in outcome.why
    assert stage.settled(OLD)


def test_kserve_2130_no_request_leaks_to_a_revision_that_was_given_none(stage):
    stage.cluster.behaviours[NEW.digest] = Behaviour(ready_after_seconds=0.05)
    stage.deployment.start_canary(NEW)
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        assert stage.cluster.send(SERVICE, 20) == 20

    assert stage.taken_by(NEW.digest) == 0
    canary = stage.deployment.observe().canary
    assert canary is not None
    assert canary.ready


def test_kserve_2040_2097_a_failed_canary_falls_back_to_what_was_stable_and_to_nothing_older(stage):
    assert stage.run(NEW).promoted
    stage.cluster.behaviours[OTHER.digest] = Behaviour(error_share=0.5)

    assert not stage.run(OTHER).promoted

    assert stage.settled(NEW)
    stage.cluster.send(SERVICE, 100)
    assert stage.taken_by(OLD.digest) == 0
