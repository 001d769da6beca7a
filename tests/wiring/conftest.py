"""One installation for all tests of the wiring: made, trained in, released to, in this order."""

from collections.abc import Iterator

import pytest

from pipelines.run import run_training
from tests.chart.rendering import NAMESPACE, named, objects
from tests.chart.test_rights import rights
from tests.kserve.node import kubeconfig
from tests.platform.cluster import Cluster
from tests.platform.kinds import CONFIGMAP
from tests.platform.pods import Behaviour
from tests.wiring.installation import PLANTED, SECRET, Installation
from tests.wiring.nodes import Node
from tests.wiring.serving import ACCOUNTS, Serving
from weathervane.data.scenes import write_sample
from weathervane.install.secrets import encoded
from weathervane.registry.store import package_key
from weathervane.rollout.port import Release
from weathervane.rollout.release import fetch_probes

OPEN_GATE = {"min_accuracy": 0.0, "min_macro_f1": 0.0, "min_class_recall": 0.0, "max_ece": 1.0}


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("wiring")
    with Cluster() as cluster, Node(folder) as node:
        mine = {"metadata": {"name": "weathervane-settings"}, "data": encoded(PLANTED)}
        cluster.objects.create((SECRET, NAMESPACE, "weathervane-settings"), mine)
        one = Installation(node, cluster, objects("default"), folder)
        one.start()
        yield one


@pytest.fixture(scope="session")
def trained(installed: Installation) -> str:
    """The digest of a package that the compiled pipeline trained with the steps' own Secret."""
    write_sample(installed.folder / "pictures", 100, seed=0)
    result = run_training(
        str(installed.folder / "pictures"),
        folder=installed.folder / "runs",
        environment={
            **installed.client("weathervane-pipeline"),
            "WEATHERVANE_STATE": str(installed.folder / "state"),
        },
        architectures=["cnn-small"],
        image_size=32,
        settings={"gate": OPEN_GATE, "train": {"epochs": 2}},
        progress=lambda line: None,
    )
    assert result.passed
    return result.digest


@pytest.fixture(scope="session")
def serving(installed: Installation, trained: str) -> Serving:
    cluster, found = installed.cluster, installed.found
    template = named(found, "ConfigMap", "weathervane-template")
    cluster.objects.create((CONFIGMAP, NAMESPACE, "weathervane-template"), template)
    for account, roles in ACCOUNTS.items():
        granted = [rights(named(found, "Role", role)) for role in roles]
        cluster.api.roles[account] = set().union(*granted)
    # The platform's pods answer as a good model does.
    store = installed.packages()
    release = Release(digest=trained, uri=store.uri(package_key("weather", trained)))
    labels = {one.picture: one.label for one in fetch_probes(store, release)}
    cluster.behaviours[trained] = Behaviour(label=labels.__getitem__)
    return Serving(
        installed,
        {
            account: kubeconfig(cluster, installed.folder / f"kubeconfig-{account}", user=account)
            for account in ACCOUNTS
        },
    )
