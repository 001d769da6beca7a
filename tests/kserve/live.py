"""A live cluster to run tests on: ``WEATHERVANE_LIVE`` names a file that says which.

    context: kind-weathervane                  # of KUBECONFIG
    namespace: models
    template: template.yaml                    # beside this file
    packages: [s3://…/<digest>, s3://…/<digest>]  # two that the cluster can load
    picture: sunny.jpg
    url: http://127.0.0.1:8080/v2/models/{service}/infer  # where clients reach a service
    host: "{service}-models.example.com"       # the Host header that leads there

In: that file. Out: a service of a name that nobody else has; it and all that a rollout left of it
are deleted at the end. The template's mode is the one that is tested.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from weathervane.client import encode_request
from weathervane.config import read_yaml, variable
from weathervane.rollout.kserve.api import CONFIG_MAP, INFERENCE_SERVICE, LEASE, Api, connect
from weathervane.rollout.kserve.knative import KnativeDeployment
from weathervane.rollout.kserve.modes import open_deployment
from weathervane.rollout.kserve.notebook import Notebook, page_name
from weathervane.rollout.kserve.standard import StandardDeployment
from weathervane.rollout.kserve.template import digest_of, read_template
from weathervane.rollout.port import Release

VARIABLE = "WEATHERVANE_LIVE"
_READY_SECONDS = 300.0


@dataclass(frozen=True)
class LiveWorld:
    """The `World` of the contract suite on a live cluster."""

    about: dict[str, Any]
    folder: Path
    service: str

    @cached_property
    def api(self) -> Api:
        return connect(context=self.about["context"], namespace=self.about["namespace"])

    @cached_property
    def deployment(self) -> KnativeDeployment | StandardDeployment:
        file = self.folder / self.about["template"]
        template = read_template(read_yaml(file), str(file))
        return open_deployment(self.api, Notebook(self.api, self.service), self.service, template)

    @property
    def first(self) -> Release:
        return _release(self.about["packages"][0])

    @property
    def second(self) -> Release:
        return _release(self.about["packages"][1])

    @cached_property
    def picture(self) -> bytes:
        return (self.folder / self.about["picture"]).read_bytes()

    def send(self, requests: int) -> int:
        url, host = (self.about[name].format(service=self.service) for name in ("url", "host"))
        body, headers = encode_request(self.picture)
        with httpx.Client(headers={**headers, "Host": host}, trust_env=False, timeout=30) as client:
            return sum(client.post(url, content=body).is_success for _ in range(requests))

    def await_ready(self) -> None:
        give_up = time.monotonic() + _READY_SECONDS
        while True:
            canary = self.deployment.observe().canary
            if canary is not None and canary.ready:
                return
            assert time.monotonic() < give_up, f"never ready: {canary}"
            time.sleep(1)

    def remove(self) -> None:
        """Delete everything of this service."""
        for kind, name in (
            (INFERENCE_SERVICE, self.service),
            (CONFIG_MAP, page_name(self.service)),
            (LEASE, page_name(self.service)),
        ):
            self.api.delete(kind, name, {})


def named() -> Path:
    """The file that the variable names.

    Raises:
        UsageError: when it names none.
    """
    return Path(variable(VARIABLE, "the tests on a live cluster (tests/kserve/live.py)"))


@contextmanager
def opened(file: Path) -> Iterator[LiveWorld]:
    """A service of its own on the cluster of a file."""
    world = LiveWorld(read_yaml(file), file.parent, f"contract-{uuid4().hex[:6]}")
    try:
        yield world
    finally:
        world.remove()


def _release(uri: str) -> Release:
    return Release(digest=digest_of(uri), uri=uri)
