"""What a predictor is started with; checked before anything heavy is imported."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from urllib.parse import urlsplit

from predictor.cgroups import granted_cores
from predictor.limits import Limits
from weathervane.errors import UsageError

# Of a model, a package or a revision: they end up in addresses, headers and metrics. A digest is
# one, for packages in the store are called so.
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
DIGEST = re.compile(r"[0-9a-f]{64}")


def cores() -> int:
    """How many cores this process may keep busy: those it may run on, within its container's limit.

    Of half a core nothing is made: a thread that is halted for half of the time makes its picture
    late, and so do all others then.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, int(min(allowed or 1, granted_cores())))


def revision_of(environment: Mapping[str, str]) -> str | None:
    """The name of this copy as the platform tells it, or None.

    Knative sets ``K_REVISION`` in every container. In KServe's Standard mode nothing is set: the
    runtime hands a pod label in as ``WEATHERVANE_REVISION``, by the downward API.
    """
    return environment.get("K_REVISION") or environment.get("WEATHERVANE_REVISION") or None


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """One package, where it is served, and how much is taken on at once.

    Either ``package`` and ``digest`` pin it, or ``packages`` has several to choose from.
    """

    package: str = ""  # a folder, or s3://bucket/models/name/digest
    digest: str = ""
    packages: str = ""  # a folder of such folders, or s3://bucket/prefix
    name: str  # of the model; the folder's among ``packages``
    revision: str
    cache: Path  # packages from a store are kept here
    host: str = "127.0.0.1"
    # 0: any free port; the log says which.
    http_port: int = 8080
    grpc_port: int = 8081
    # Pictures in work at the same time, one thread each. More threads than cores gain nothing.
    threads: int = 1
    # Requests that may wait for a thread, and for how long as others have lasted lately; beyond
    # either a request is turned away at once. Room for a burst after the machine has stood still
    # for a second or two; how long a client waits is what the second one bounds.
    queue: int = 256
    max_wait_seconds: float = 1.0
    max_body_mebibytes: int = 8
    limits: Limits = field(default_factory=Limits)
    # After SIGTERM: how long to serve on while not ready. A gateway or Kubernetes takes a second or
    # two to send nothing more here; with what is in flight it must end within the 30 s that
    # Kubernetes gives.
    drain_seconds: float = 5.0
    # How long to ask a store that fails before giving up. Longer than a store takes to restart:
    # Kubernetes itself would wait up to five minutes between two starts.
    store_seconds: float = 300.0
    # Files of hashed keys; without the first everybody may classify.
    api_keys: Path | None = None
    admin_keys: Path | None = None
    docs: bool = False  # /docs and /openapi.json, for admins
    log_format: str = "text"  # or "json"
    log_requests: bool = False
    # Where a sample of answered requests is sent, and how large a share it is.
    payload_log: str | None = None
    payload_share: float = 0.01

    def __post_init__(self) -> None:
        for option, value in (("--name", self.name), ("--revision", self.revision)):
            if not NAME.fullmatch(value):
                raise UsageError(
                    f"{option} must be letters, digits, '.', '_' and '-', at most 64, got {value!r}"
                )
        self._check_place()
        for option, port in (("--http-port", self.http_port), ("--grpc-port", self.grpc_port)):
            if not 0 <= port <= 65535:
                raise UsageError(f"{option} must be from 0 to 65535, got {port}")
        if self.http_port == self.grpc_port != 0:
            raise UsageError(f"--http-port and --grpc-port are both {self.http_port}")
        self._check_bounds()
        self._check_payload_log()

    def _check_place(self) -> None:
        if self.packages:
            if self.package or self.digest:
                raise UsageError(
                    "--packages is for a predictor that stands alone: leave out --package and "
                    "--digest, which pin it to one"
                )
            return
        if not (self.package and self.digest):
            raise UsageError(
                "say what to serve: --package and --digest, or --packages for one that stands alone"
            )
        if not DIGEST.fullmatch(self.digest):
            raise UsageError(f"--digest must be 64 hex digits in lower case, got {self.digest!r}")

    def _check_payload_log(self) -> None:
        if not 0 < self.payload_share <= 1:
            raise UsageError(
                f"--payload-share must be above 0 and at most 1, got {self.payload_share}"
            )
        if self.payload_log is not None and not _is_web_address(self.payload_log):
            raise UsageError(
                f"--payload-log must be http://host… or https://host…, got {self.payload_log!r}"
            )

    def _check_bounds(self) -> None:
        for option, seconds in (
            ("--max-wait-seconds", self.max_wait_seconds),
            ("--max-head-seconds", self.limits.head_seconds),
            ("--max-body-seconds", self.limits.body_seconds),
        ):
            if not 0 < seconds < inf:
                raise UsageError(f"{option} must be above 0, got {seconds:g}")
        for option, seconds in (
            ("--drain-seconds", self.drain_seconds),
            ("--store-seconds", self.store_seconds),
        ):
            if not 0 <= seconds < inf:
                raise UsageError(f"{option} must be at least 0, got {seconds:g}")
        for option, number, least in (
            ("--threads", self.threads, 1),
            ("--queue", self.queue, 0),
            ("--max-body-mebibytes", self.max_body_mebibytes, 1),
            ("--max-connections", self.limits.connections, 1),
        ):
            if number < least:
                raise UsageError(f"{option} must be at least {least}, got {number}")

    @property
    def max_body_bytes(self) -> int:
        """The most of pictures that a request may hold; in JSON they take a third more."""
        return self.max_body_mebibytes * 1024 * 1024


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
