"""That ``make test-live`` reaches a cluster, shown on the platform of tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from kubernetes.config import kube_config

from tests.kserve import live
from tests.kserve.node import kubeconfig
from tests.kserve.worlds import NEW, OLD, manifest
from tests.platform.cluster import NAMESPACE, Cluster
from tests.platform.kinds import CONFIGMAP, ISVC
from tests.unit.rollout.deployment_contract import DeploymentContract

pytestmark = pytest.mark.process


@contextmanager
def gateway(cluster: Cluster) -> Iterator[str]:
    """What stands before a cluster: a host leads to its service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            service = self.headers["Host"].removesuffix(".example.com")
            self.send_response(200 if cluster.send(service, 1) else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v2/models/{{service}}/infer"
        finally:
            server.shutdown()
            serving.join()


def test_a_file_leads_the_contract_to_a_cluster_and_nothing_is_left_there(
    cluster: Cluster, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = kubeconfig(cluster, tmp_path / "kubeconfig")
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    (tmp_path / "template.yaml").write_text(yaml.safe_dump(manifest(mode)))
    (tmp_path / "sunny.jpg").write_bytes(b"sunny")
    file = tmp_path / "live.yaml"
    with gateway(cluster) as url:
        about = {
            "context": "live",
            "namespace": NAMESPACE,
            "template": "template.yaml",
            "packages": [OLD.uri, NEW.uri],
            "picture": "sunny.jpg",
            "url": url,
            "host": "{service}.example.com",
        }
        file.write_text(yaml.safe_dump(about))
        monkeypatch.setenv(live.VARIABLE, str(file))

        with live.opened(live.named()) as world:
            DeploymentContract().test_traffic_follows_the_weight(world)
            service = world.service
            assert cluster.objects.find((ISVC, NAMESPACE, service))

    left = [key for key in cluster.objects.every_key() if key[2].endswith(service)]
    assert left == []
    assert not cluster.objects.find((CONFIGMAP, NAMESPACE, f"weathervane-{service}"))
