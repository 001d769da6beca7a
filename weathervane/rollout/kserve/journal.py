"""The memory of a rollout in the cluster: texts of one ConfigMap, a Lease, Events.

In: a state, entries, requests. Out: the same after any crash, for whoever drives next.

    state      what the rollout has to know to go on, JSON
    requests   what people asked of the process that drives it, one JSON object a line
    record     what happened, one JSON object a line, oldest first
    ledger     what was asked of the InferenceService, see `ledger`
    holder     whose writes count

The record in the ConfigMap holds what was decided: looks that wait for the same reason become
one entry with a count, and beyond its bound the oldest rollouts go. Every single entry is also
given to ``tell``; the Job that drives prints them, so the cluster's logs have the long record.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.events import Events
from weathervane.rollout.kserve.lease import Claim
from weathervane.rollout.kserve.notebook import Notebook, Texts

# A ConfigMap may hold 1 MiB in all: https://kubernetes.io/docs/concepts/configuration/configmap/
_MAX_RECORD_BYTES = 400_000
_WAITING = ("Wait", "Hold")


class ClusterJournal:
    """See `Journal`."""

    def __init__(
        self,
        notebook: Notebook,
        claim: Claim,
        events: Events,
        *,
        tell: Callable[[Mapping[str, Any]], None] = lambda entry: None,
    ) -> None:
        self._notebook = notebook
        self._claim = claim
        self._events = events
        self._tell = tell

    @contextmanager
    def claim(self, holder: str) -> Iterator[None]:
        """See `Journal`."""
        with self._claim.held(holder) as token:
            self._notebook.take(token)
            yield

    def read(self) -> dict[str, Any] | None:
        """See `Journal`."""
        text = self._notebook.read().get("state")
        return _parsed(self._notebook, "state", text) if text else None

    def write(self, state: Mapping[str, Any]) -> None:
        """See `Journal`."""
        text = json.dumps(state)

        def change(texts: Texts) -> None:
            texts["state"] = text

        self._notebook.update(change)

    def append(self, entry: Mapping[str, Any]) -> None:
        """See `Journal`."""
        self._tell(entry)

        def change(texts: Texts) -> None:
            texts["record"] = grown(texts.get("record", ""), entry)

        self._notebook.update(change)
        self._events.tell(entry)

    def entries(self) -> Sequence[dict[str, Any]]:
        """See `Journal`: every entry that is kept."""
        return _lines(self._notebook, "record")

    def ask(self, request: Mapping[str, Any]) -> None:
        """See `Journal`."""
        line = json.dumps(dict(request))

        def change(texts: Texts) -> None:
            asked = texts.get("requests", "").splitlines()
            # The same again: it was left, and the answer was lost.
            if line not in asked:
                texts["requests"] = "\n".join([*asked, line]) + "\n"

        # Whoever asks need not hold the claim.
        self._notebook.update(change, fenced=False)

    def asked(self) -> Sequence[dict[str, Any]]:
        """See `Journal`."""
        return _lines(self._notebook, "requests")


def grown(record: str, entry: Mapping[str, Any], *, limit: int = _MAX_RECORD_BYTES) -> str:
    """The record with one more entry: a wait that goes on counts up, the oldest goes first."""
    lines = record.splitlines()
    last = json.loads(lines[-1]) if lines else {}
    looks = int(last.get("looks", 1))
    if {**last, "looks": None} == {**entry, "looks": None}:
        # The same entry again: its first writing was done, and its answer lost.
        return record
    if _same_wait(last, entry):
        lines[-1] = json.dumps({**entry, "looks": looks + 1})
    else:
        lines.append(json.dumps(dict(entry)))
    size = sum(len(line) + 1 for line in lines)
    while size > limit and len(lines) > 1:
        size -= len(lines.pop(0)) + 1
    return "\n".join(lines) + "\n"


def _same_wait(last: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    alike = ("rollout", "event", "weight", "decision")
    return entry.get("decision") in _WAITING and all(
        last.get(name) == entry.get(name) for name in alike
    )


def _lines(notebook: Notebook, name: str) -> list[dict[str, Any]]:
    text = notebook.read().get(name, "")
    return [_parsed(notebook, name, line) for line in text.splitlines()]


def _parsed(notebook: Notebook, name: str, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise DeploymentError(
            f"{name} in the ConfigMap of {notebook.service} is not as we wrote it: {error}; "
            "move it away"
        ) from error
