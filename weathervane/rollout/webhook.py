"""What a plan says of an address outside: who it is, and where its secrets are.

In: values from a plan. Out: a frozen `Webhook` that has checked itself. Calling it is `hooks`'.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field

from weathervane.errors import UsageError
from weathervane.rollout.bounds import FROM_OUTSIDE, check_bounds

Variable: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

_ADDRESS = re.compile(r"https?://(?P<host>[^/?#\s]+)([/?#]\S*)?")


class HookKind(StrEnum):
    """What an address outside is there for."""

    NOTICE = "notice"
    GATE = "gate"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address that is told of a rollout, or that is asked before each step.

    What is secret is named here and lies in the environment, so no record of a plan holds it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    """How the record calls it."""
    kind: HookKind = HookKind.NOTICE
    """notice: told of each decision. gate: must answer 2xx before every step and the promotion."""
    url: str | None = None
    """Its address, http or https."""
    url_env: Variable | None = None
    """Environment variable that holds the address, for addresses that are secrets themselves."""
    secret_env: Variable | None = None
    """Environment variable of the key that signs what is sent (HMAC-SHA256)."""
    timeout_seconds: Annotated[float, Field(strict=True, gt=0, le=5, allow_inf_nan=False)] = 3.0
    """A gate that has not answered by then counts as shut, and is asked again."""

    __pydantic_config__ = FROM_OUTSIDE

    def __post_init__(self) -> None:
        check_bounds(self, f"webhook {self.name}:")
        if (self.url is None) == (self.url_env is None):
            raise UsageError(f"webhook {self.name} needs one of url and url_env")
        if self.url is not None:
            check_address(self.name, self.url)


def check_address(name: str, url: str) -> None:
    """Refuse an address that cannot be called, or that shows a secret.

    Raises:
        UsageError: naming the webhook; the address itself is not repeated, it may be a secret.
    """
    parts = _ADDRESS.fullmatch(url)
    if parts is None:
        raise UsageError(f"webhook {name}: its address must be an http:// or https:// URL")
    if "@" in parts["host"]:
        raise UsageError(
            f"webhook {name}: its address holds a password; give it as url_env, or sign with "
            "secret_env"
        )


@dataclass(frozen=True, kw_only=True)
class GateAnswer:
    """What the gates outside said before the next step: open only when all of them did."""

    open: bool
    message: str = ""
