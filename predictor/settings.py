"""What a predictor is started with; checked before anything heavy is imported."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from predictor.cgroups import granted_cores
from weathervane.errors import UsageError

# Both end up in headers and metrics.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def cores() -> int:
    """How many cores this process may keep busy: those it may run on, within its container's limit.

    Of half a core nothing is made: a thread that is halted for half of the time makes its picture
    late, and so do all others then.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, int(min(allowed or 1, granted_cores())))


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

    @property
    def max_body_bytes(self) -> int:
        """The most of pictures that a request may hold; in JSON they take a third more."""
        return self.max_body_mebibytes * 1024 * 1024
