"""The platform of tests itself, spoken to with the official client as anybody would."""

from collections.abc import Iterator

import pytest
from kubernetes import watch
from kubernetes.client import ApiClient, Configuration, CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException

from tests.kserve.worlds import SERVICE, Stage
from tests.platform.cluster import NAMESPACE, Cluster
from tests.platform.kinds import CONFIGMAP
from tests.platform.server import Call, Fault

pytestmark = pytest.mark.process

ISVCS = ("serving.kserve.io", "v1beta1", NAMESPACE, "inferenceservices")


@pytest.fixture
def client(cluster: Cluster) -> Iterator[ApiClient]:
    configuration = Configuration()
    configuration.host = cluster.api.address
    with ApiClient(configuration) as client:
        yield client


def config_map(**data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}


def test_an_older_resource_version_is_a_conflict(cluster, client):
    core = CoreV1Api(client)
    old = core.create_namespaced_config_map(NAMESPACE, config_map(a="1"))
    core.replace_namespaced_config_map("x", NAMESPACE, {**config_map(a="2")})
    stale = {**config_map(a="3")}
    stale["metadata"]["resourceVersion"] = old.metadata.resource_version

    with pytest.raises(ApiException) as error:
        core.replace_namespaced_config_map("x", NAMESPACE, stale)

    assert error.value.status == 409
    assert core.read_namespaced_config_map("x", NAMESPACE).data == {"a": "2"}


def test_a_watch_tells_what_happens_with_bookmarks_and_ends_in_time(cluster, client):
    core = CoreV1Api(client)
    since = cluster.objects.version
    core.create_namespaced_config_map(NAMESPACE, config_map(a="1"))
    core.replace_namespaced_config_map("x", NAMESPACE, config_map(a="2"))
    cluster.objects.delete((CONFIGMAP, NAMESPACE, "x"))

    told = [
        (event["type"], event["raw_object"].get("data"))
        for event in watch.Watch().stream(
            core.list_namespaced_config_map,
            NAMESPACE,
            resource_version=str(since),
            allow_watch_bookmarks=True,
            timeout_seconds=1,
        )
    ]

    changes = [told for told in told if told[0] != "BOOKMARK"]
    assert changes == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})]
    assert ("BOOKMARK", None) in told


def test_a_watch_from_a_version_that_is_forgotten_has_expired(cluster, client):
    cluster.objects.compacted = cluster.objects.version + 1

    with pytest.raises(ApiException) as error:
        list(
            watch.Watch().stream(
                CustomObjectsApi(client).list_namespaced_custom_object,
                *ISVCS,
                resource_version=str(cluster.objects.version),
                timeout_seconds=1,
            )
        )

    assert error.value.status == 410


def test_an_annotation_makes_a_revision_in_knative_mode(cluster):
    stage = Stage(cluster, "Knative")

    cluster.edit(SERVICE, "metadata", "annotations", "note", to="harmless, it seems")
    stage.await_revision(2)

    component = cluster.isvc(SERVICE)["status"]["components"]["predictor"]
    assert component["latestCreatedRevision"] == f"{SERVICE}-predictor-00002"


def test_a_call_that_was_done_and_whose_answer_was_lost_is_no_second_change(cluster):
    stage = Stage(cluster, "Knative")

    def writes(call: Call) -> bool:
        return call.writes and call.key[0] == CONFIGMAP

    cluster.api.faults.next.append((writes, Fault(done=True)))
    stage.journal.append({"event": "begun", "who": "anna"})

    assert stage.journal.entries() == [{"event": "begun", "who": "anna"}]
