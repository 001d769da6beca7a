"""Every error that this project raises, and the exit code that each one ends a command with.

    WeathervaneError                 1  something we did not foresee
    ├── UsageError                   2  wrong option, setting or environment
    ├── DataError                    3  pictures or a manifest that cannot be used
    │   └── ImageError                  one picture that cannot be decoded
    ├── RolloutRunningError          7  another rollout owns the service
    ├── PlatformError                8  a server refused, failed or did not answer in time
    │   ├── StoreError                  the object store
    │   ├── TrackingError               MLflow
    │   └── DeploymentError             whatever serves the model
    └── PackageError                 9  a package that is altered, incomplete or not ours

A bad model is a result, not an error: gates and rollouts return a verdict, and only the command
line turns it into `ExitCode.GATE_REFUSED` or `ExitCode.ROLLED_BACK`.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; the same for every command."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    DATA_REFUSED = 3
    GATE_REFUSED = 4
    ROLLED_BACK = 5
    HELD = 6
    ROLLOUT_RUNNING = 7
    PLATFORM = 8
    PACKAGE_REFUSED = 9
    INTERRUPTED = 130


class WeathervaneError(Exception):
    """The root: catch this to catch everything that is ours."""

    exit_code = ExitCode.UNEXPECTED


class UsageError(WeathervaneError):
    """An option, a setting or an environment variable is wrong or missing."""

    exit_code = ExitCode.USAGE


class DataError(WeathervaneError):
    """Pictures, class folders or a manifest that cannot be used as they are."""

    exit_code = ExitCode.DATA_REFUSED


class ImageError(DataError):
    """One picture that is refused or cannot be decoded.

    ``fault`` names the kind in one word, from `weathervane.data.images.FAULTS`.
    """

    def __init__(self, message: str, fault: str = "damaged") -> None:
        super().__init__(message)
        self.fault = fault


class RolloutRunningError(WeathervaneError):
    """Another rollout owns the service; its name is in the message."""

    exit_code = ExitCode.ROLLOUT_RUNNING


class PlatformError(WeathervaneError):
    """A server refused the request, failed, or did not answer in time."""

    exit_code = ExitCode.PLATFORM


class StoreError(PlatformError):
    """The object store refused or failed."""


class TrackingError(PlatformError):
    """MLflow refused or failed."""


class DeploymentError(PlatformError):
    """What serves the model refused, failed, or did not become ready in time."""


class PackageError(WeathervaneError):
    """A model package that is altered, incomplete, or was not made by us."""

    exit_code = ExitCode.PACKAGE_REFUSED
