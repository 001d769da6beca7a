"""Whole rollouts on the platform, in both modes: promoted, taken back, disturbed."""

from dataclasses import replace

import pytest

from tests.kserve.worlds import NEW, OLD, OTHER, PLAN, PROBES, SERVICE, SHORT, Stage, await_true
from tests.platform import schemas
from tests.platform.cluster import NAMESPACE
from tests.platform.kinds import CONFIGMAP, EVENT, ISVC, LEASE
from tests.platform.pods import Behaviour
from weathervane.errors import DeploymentError, RolloutRunningError
from weathervane.rollout.history import find_package, served
from weathervane.rollout.kserve.rights import DRIVER_RIGHTS, DRIVER_RIGHTS_IN_KSERVE

pytestmark = pytest.mark.process


def test_a_good_model_goes_through_every_step_and_is_promoted(stage):
    outcome = stage.run()

    assert outcome.promoted, outcome.why
    assert stage.settled(NEW)
    assert [entry["to"] for entry in stage.journal.entries() if "to" in entry] == [10, 50]
    assert stage.clock.failed == 0


def test_a_deeper_rollback_is_a_rollout_of_what_history_names(stage):
    assert stage.run(NEW, SHORT).promoted
    assert stage.run(OTHER, SHORT).promoted
    assert stage.settled(OTHER)
    assert served(stage.journal.entries()) == [OTHER.digest, NEW.digest, OLD.digest]

    assert find_package(stage.journal.entries, "previous") == NEW.digest
    assert find_package(stage.journal.entries, OLD.digest[:12]) == OLD.digest
    assert stage.run(OLD, SHORT).promoted

    assert stage.settled(OLD)


def test_wrong_labels_never_reach_a_client(stage):
    stage.cluster.behaviours[NEW.digest] = Behaviour(label=lambda picture: "snowy")

    assert not stage.run().promoted

    assert stage.settled(OLD)
    assert all(entry["weight"] == 0 for entry in stage.told)


def test_a_canary_that_fails_is_taken_back_at_its_first_step_within_the_budget(stage):
    stage.cluster.behaviours[NEW.digest] = Behaviour(error_share=0.5)

    outcome = stage.run()

    assert not outcome.promoted
    assert stage.settled(OLD)
    assert 0 < stage.clock.failed <= PLAN.max_failed_requests


def test_a_slow_canary_is_taken_back(stage):
    stage.cluster.behaviours[NEW.digest] = Behaviour(latency_seconds=0.4)

    outcome = stage.run(plan=replace(PLAN, hold_seconds=12, min_requests=2000))

    assert not outcome.promoted
    assert "p95" in outcome.why
    assert stage.settled(OLD)


def test_a_model_that_does_not_load_gets_no_request_and_its_own_words_are_the_reason(stage):
    stage.cluster.behaviours[NEW.digest] = Behaviour(fails_to_load="model.tflite was altered")

    outcome = stage.run()

    assert not outcome.promoted
    assert "model.tflite was altered" in outcome.why
    assert stage.settled(OLD)
    assert stage.clock.failed == 0


def test_a_canary_that_crashes_in_mid_step_is_taken_back(stage):
    def crash(now: float) -> None:
        canary = stage.deployment.observe().canary
        if canary and canary.ready and stage.deployment.observe().weight == 50:
            stage.clock.asleep.clear()
            stage.cluster.workloads.each(canary.name, lambda pod: setattr(pod, "crashed", True))

    stage.clock.asleep.append(crash)

    outcome = stage.run()

    assert not outcome.promoted
    assert "stopped being ready at 50 %" in outcome.why
    assert stage.settled(OLD)


def test_a_pod_that_cannot_be_read_means_that_figures_are_missing(stage):
    def hide(now: float) -> None:
        canary = stage.deployment.observe().canary
        if canary and stage.deployment.observe().weight == 10:
            stage.cluster.workloads.of(canary.name)[0].server.readable = False

    stage.clock.asleep.append(hide)

    outcome = stage.run()

    assert not outcome.promoted
    assert "the figures of the canary cannot be read" in outcome.why
    assert stage.settled(OLD)


def test_a_pod_that_restarts_loses_its_counters_and_no_rollout(stage):
    def restart(now: float) -> None:
        for name, _ in stage.cluster.split(SERVICE):
            stage.cluster.workloads.each(name, lambda pod: pod.server.restart())

    stage.clock.asleep.append(restart)
    # What a pod counts between two looks is lost with it, so only a part of the traffic shows.
    stage.run()

    assert stage.rollout().unfinished() is None


def test_the_first_deployment_is_promoted_after_its_probes(cluster, mode):
    stage = Stage(cluster, mode, first=True)

    outcome = stage.run()

    assert outcome.promoted
    assert "first deployment" in outcome.why
    assert stage.settled(NEW)


def test_a_first_deployment_that_is_wrong_is_removed_and_the_memory_stays(cluster, mode):
    cluster.behaviours[NEW.digest] = Behaviour(label=lambda picture: "snowy")
    stage = Stage(cluster, mode, first=True)

    outcome = stage.run()

    assert not outcome.promoted
    assert cluster.objects.find((ISVC, "models", SERVICE)) is None
    state = stage.rollout().last()
    assert state is not None
    assert state.ended
    # And the next one begins anew.
    assert stage.run(OLD).promoted
    assert stage.settled(OLD)


def test_the_memory_goes_with_the_service_once_something_is_stable(stage):
    stage.cluster.objects.delete((ISVC, "models", SERVICE))

    def gone() -> bool:
        return stage.cluster.objects.find((CONFIGMAP, "models", f"weathervane-{SERVICE}")) is None

    await_true(gone)


def test_nothing_of_ours_is_written_to_annotations_or_labels(stage):
    before = stage.cluster.isvc(SERVICE)["metadata"]

    stage.run()

    after = stage.cluster.isvc(SERVICE)["metadata"]
    assert after["annotations"] == before["annotations"]
    assert after.get("labels") == before.get("labels")
    if stage.mode == "Knative":
        # One revision for each package, and none for anything else.
        created = stage.cluster.isvc(SERVICE)["status"]["components"]["predictor"]
        assert created["latestCreatedRevision"] == f"{SERVICE}-predictor-00002"


def test_decisions_are_events_on_the_service(stage):
    stage.run()

    events = stage.cluster.objects.of_kind(EVENT)
    reasons = {event["reason"] for event in events}
    assert {"RolloutBegun", "RolloutSetWeight", "RolloutPromote", "RolloutPromoted"} <= reasons
    uid = stage.cluster.isvc(SERVICE)["metadata"]["uid"]
    assert {event["involvedObject"]["uid"] for event in events} == {uid}


def test_another_rollout_is_refused_while_one_is_driven(stage):
    stage.deployment.start_canary(NEW)
    other = stage.another()
    with stage.journal.claim("anna"), pytest.raises(RolloutRunningError, match="anna"):
        other.run()


def test_somebodys_edit_in_mid_rollout_is_found_and_nothing_is_written_over_it(stage):
    def edit(now: float) -> None:
        if stage.deployment.observe().weight == 10:
            stage.clock.asleep.clear()
            stage.cluster.edit(SERVICE, "spec", "predictor", "model", "args", to=["--threads=4"])

    stage.clock.asleep.append(edit)

    with pytest.raises(DeploymentError, match=r"model\.args.*kubectl-edit"):
        stage.run()

    assert stage.cluster.isvc(SERVICE)["spec"]["predictor"]["model"]["args"] == ["--threads=4"]


def test_a_rollout_that_is_held_can_be_aborted(stage):
    def edit(now: float) -> None:
        if stage.deployment.observe().weight == 10:
            stage.clock.asleep.clear()
            stage.cluster.edit(SERVICE, "spec", "predictor", "model", "args", to=["--threads=4"])

    stage.clock.asleep.append(edit)
    with pytest.raises(DeploymentError, match="held"):
        stage.run()

    outcome = stage.rollout().abort("anna", "it is held")

    assert outcome is not None
    assert not outcome.promoted
    assert stage.settled(OLD)


def test_a_rollback_leaves_what_somebody_put_in_the_canarys_place(stage):
    if stage.mode == "Standard":
        pytest.skip("in Standard mode a canary stands beside stable")

    def revert(now: float) -> None:
        if stage.deployment.observe().weight == 10:
            stage.clock.asleep.clear()
            isvc = stage.cluster.isvc(SERVICE)
            isvc["spec"]["predictor"]["model"]["storageUri"] = OTHER.uri
            del isvc["spec"]["predictor"]["canaryTrafficPercent"]
            stage.cluster.objects.replace((ISVC, "models", SERVICE), isvc, "argocd")

    stage.clock.asleep.append(revert)
    with pytest.raises(DeploymentError, match="argocd"):
        stage.run()

    stage.deployment.rollback("aborted")

    assert stage.cluster.isvc(SERVICE)["spec"]["predictor"]["model"]["storageUri"] == OTHER.uri


def test_probes_are_asked_of_each_revision_and_counted_by_none(stage):
    stage.deployment.start_canary(NEW)
    stage.await_ready()
    before = stage.deployment.counts()

    live = stage.deployment.observe()
    for revision in (live.stable, live.canary):
        answers = stage.deployment.predict(revision.name, [p.picture for p in PROBES])
        assert [a.label for a in answers] == [p.label for p in PROBES]

    assert stage.deployment.counts() == before


def test_stable_keeps_all_of_its_pods_while_a_canary_is_beside_it(stage):
    stable = stage.deployment.observe().stable
    assert stable is not None
    stage.deployment.start_canary(NEW)
    stage.await_ready()
    stage.deployment.set_weight(50)

    await_true(lambda: len(stage.cluster.workloads.available(stable.name)) == 2)
    canary = stage.deployment.observe().canary
    assert canary is not None
    assert stage.cluster.workloads.available(canary.name)


def test_everything_that_is_written_in_a_rollout_is_as_its_schema_has_it(stage):
    schemas.needed()
    stage.run(NEW)
    stage.cluster.behaviours[OTHER.digest] = Behaviour(error_share=0.5)
    stage.run(OTHER)

    ours = (ISVC, CONFIGMAP, LEASE)
    written = [
        change.obj
        for change in stage.cluster.objects.log
        if change.key[0] in ours and change.key[1] == NAMESPACE
    ]
    assert {obj["kind"] for obj in written} == {"InferenceService", "ConfigMap", "Lease"}
    for obj in written:
        # What the platform of tests says of itself is not what is checked.
        shown = {name: value for name, value in obj.items() if name != "status"}
        assert not schemas.faults(shown), shown


def test_the_driver_uses_each_of_its_rights_and_no_other(cluster, mode):
    cluster.behaviours[OTHER.digest] = Behaviour(label=lambda picture: "snowy")
    others = {
        "Knative": ("get", "httproutes.gateway.networking.k8s.io"),
        "Standard": ("list", "revisions.serving.knative.dev"),
    }
    needed = {"driver": DRIVER_RIGHTS - {others[mode]}}
    if mode == "Standard":
        needed["driver@kserve"] = DRIVER_RIGHTS_IN_KSERVE
    cluster.api.roles = needed
    stage = Stage(cluster, mode, first=True)

    assert not stage.run(OTHER).promoted
    assert stage.run(OLD).promoted
    assert stage.run(NEW).promoted

    assert cluster.api.used == needed
    assert stage.settled(NEW)


def test_a_rollback_from_all_traffic_gives_it_back_to_stable(stage):
    """At 100 % KServe takes the canary for what was rolled out, in Knative mode."""
    stage.deployment.start_canary(NEW)
    stage.await_ready()
    stage.deployment.set_weight(100)
    await_true(lambda: stage.serving == {NEW.digest: 100})
    live = stage.deployment.observe()
    assert live.stable is not None
    assert (live.stable.digest, live.weight) == (OLD.digest, 100)

    stage.deployment.rollback("the test wants it")

    assert stage.settled(OLD)


def test_a_canary_at_all_traffic_can_be_promoted(stage):
    stage.deployment.start_canary(NEW)
    stage.await_ready()
    stage.deployment.set_weight(100)

    stage.deployment.promote()

    assert stage.settled(NEW)
