"""What a predictor is started with; checked before anything heavy is imported."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from weathervane.errors import UsageError

# Both end up in headers and metrics.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def revision_of(environment: Mapping[str, str]) -> str | None:
    """The name of this copy as the platform tells it, or None.

    Knative sets ``K_REVISION`` in every container. In KServe's Standard mode nothing is set: the
    runtime hands a pod label in as ``WEATHERVANE_REVISION``, by the downward API.
    """
    return environment.get("K_REVISION") or environment.get("WEATHERVANE_REVISION") or None


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """One package, where it is served, and how much is taken on at once."""

    package: str  # a folder, or s3://bucket/models/name/digest
    digest: str
    name: str
    revision: str
    cache: Path  # packages from a store are kept here
    host: str = "127.0.0.1"
    # 0: any free port; the log says which.
    http_port: int = 8080
    grpc_port: int = 8081
    # Pictures in work at the same time, one thread each. More threads than cores gain nothing.
    threads: int = 1
    # Requests that may wait for a thread, and for how long as others have lasted lately; beyond
    # either a request is turned away at once.
    queue: int = 64
    max_wait_seconds: float = 1.0
    max_body_mebibytes: int = 8
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
            if not _NAME.fullmatch(value):
                raise UsageError(
                    f"{option} must be letters, digits, '.', '_' and '-', at most 63, got {value!r}"
                )
        if not _DIGEST.fullmatch(self.digest):
            raise UsageError(f"--digest must be 64 hex digits in lower case, got {self.digest!r}")
        for option, port in (("--http-port", self.http_port), ("--grpc-port", self.grpc_port)):
            if not 0 <= port <= 65535:
                raise UsageError(f"{option} must be from 0 to 65535, got {port}")
        if self.http_port == self.grpc_port != 0:
            raise UsageError(f"--http-port and --grpc-port are both {self.http_port}")
        if self.max_wait_seconds <= 0:
            raise UsageError(f"--max-wait-seconds must be above 0, got {self.max_wait_seconds}")
        for option, number, least in (
            ("--threads", self.threads, 1),
            ("--queue", self.queue, 0),
            ("--max-body-mebibytes", self.max_body_mebibytes, 1),
        ):
            if number < least:
                raise UsageError(f"{option} must be at least {least}, got {number}")

        self._check_payload_log()

    @property
    def max_body_bytes(self) -> int:
        """The largest request that is read."""
        return self.max_body_mebibytes * 1024 * 1024

    def _check_payload_log(self) -> None:
        if not 0 < self.payload_share <= 1:
            raise UsageError(
                f"--payload-share must be above 0 and at most 1, got {self.payload_share}"
            )
        if self.payload_log is not None and not _is_web_address(self.payload_log):
            raise UsageError(
                f"--payload-log must be http://host… or https://host…, got {self.payload_log!r}"
            )


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
