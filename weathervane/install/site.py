"""What an installation's Jobs are told: names and addresses, no secret. The chart writes it.

In: JSON. Out: a `Site` that has checked itself.
"""

import json
from dataclasses import dataclass

from pydantic import ConfigDict

from weathervane.config import from_mapping
from weathervane.errors import UsageError
from weathervane.install.policies import ROLES


@dataclass(frozen=True, kw_only=True)
class Site:
    """One installation. What is not its own is somebody else's: told by a Secret, never changed."""

    namespace: str
    # Where the steps of pipelines run, and need their Secret.
    pipelines_namespace: str
    endpoint: str  # of the store, with its scheme
    bucket: str
    region: str
    tracking_uri: str
    # Registered models; each has the name of its service.
    services: tuple[str, ...] = ("weather",)
    own_store: bool = True
    own_tracking: bool = True
    # Secrets that somebody else made: keys to their store, log-ins of their MLflow (none: it asks
    # for none), the addresses of our MLflow's database (none: SQLite) and of the studies' of
    # `weathervane tune` (none: each process has its own).
    store_secret: str = ""
    tracking_secret: str = ""
    database_secret: str = ""
    studies_secret: str = ""

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if not self.own_store and not self.store_secret:
            raise UsageError("store_secret must name the Secret with the keys to your store")

    @property
    def roles(self) -> tuple[str, ...]:
        """Who has keys of the store: MLflow's server only where it is ours."""
        return tuple(role for role in ROLES if self.own_tracking or role != "mlflow")

    @property
    def host(self) -> str:
        """The store's host and port, as KServe wants them."""
        return self.endpoint.partition("://")[2]


def read_site(text: str) -> Site:
    """Read what the chart wrote.

    Raises:
        UsageError: when it is no JSON, or names something that a site does not have.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--site is not JSON: {error}") from error
    return from_mapping(Site, values, "--site")
