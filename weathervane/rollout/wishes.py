"""What people ask of a rollout that runs, and what it keeps of that.

In: requests, as a journal holds them. Out: `Wishes`, on which `decide` looks. Who asked and why is
kept with each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from weathervane.errors import DeploymentError


class Kind(StrEnum):
    """What can be asked."""

    ABORT = "abort"  # take the canary back
    PAUSE = "pause"  # go on watching, but begin no step
    RESUME = "resume"  # end a pause
    APPROVE = "approve"  # let the step begin that waits for a person
    PROMOTE = "promote"  # leave the remaining steps out, once this one's evidence is good
    FORCE = "force"  # promote whatever the evidence says


@dataclass(frozen=True, kw_only=True)
class Request:
    """One person's request."""

    id: str
    rollout: str
    kind: Kind
    who: str
    why: str
    # The weight of the step that is approved: an approval that comes late is not the next step's.
    step: int | None = None

    @property
    def told(self) -> str:
        """The reason and the person, in words."""
        return f"{self.why or self.kind.value} ({self.who})"

    def as_mapping(self) -> dict[str, Any]:
        """Plain JSON values from which `read_request` makes this again."""
        plain: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return plain


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What has been asked and still counts; each with its reason and person, None if nobody did."""

    abort: str | None = None
    pause: str | None = None
    promote: str | None = None
    force: str | None = None
    # The weight of the step that may begin.
    approved: int | None = None

    def heed(self, request: Request) -> "Wishes":
        """Take one more request into account."""
        match request.kind:
            case Kind.ABORT:
                return replace(self, abort=request.told)
            case Kind.PAUSE:
                return replace(self, pause=request.told)
            case Kind.RESUME:
                return replace(self, pause=None)
            case Kind.APPROVE:
                return replace(self, approved=request.step)
            case Kind.PROMOTE:
                return replace(self, promote=request.told)
            case Kind.FORCE:
                return replace(self, force=request.told)


NO_WISHES = Wishes()

_ADAPTER = TypeAdapter(Request)


def make_request(
    rollout: str, kind: Kind, who: str, why: str, *, step: int | None = None
) -> Request:
    """A new request with an id of its own."""
    return Request(id=uuid4().hex, rollout=rollout, kind=kind, who=who, why=why, step=step)


def read_request(values: Mapping[str, Any]) -> Request:
    """Make a request out of what a journal holds.

    Raises:
        DeploymentError: when it is not a request that we wrote.
    """
    try:
        return _ADAPTER.validate_python(dict(values))
    except ValidationError as error:
        raise DeploymentError(
            f"a request in the journal is not as we wrote it: {error.errors()[0]['loc']}"
        ) from error
