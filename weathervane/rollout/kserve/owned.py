"""The InferenceService as a rollout owns it: read, compared with the ledger, changed.

In: how the next page follows from the present one. Out: an object that is on it. Order makes it
safe: the object is read, the next page is written into the ledger (which fails when another
process has taken over), then applied with the resourceVersion that was read. Whatever happened
in between turns the last step into a conflict, and everything is looked at again.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from weathervane.errors import DeploymentError
from weathervane.rollout.kserve.api import (
    INFERENCE_SERVICE,
    Api,
    ConflictError,
    FieldConflictError,
    Object,
)
from weathervane.rollout.kserve.ledger import (
    DriftError,
    Ledger,
    Page,
    differences,
    read_ledger,
    write_ledger,
)
from weathervane.rollout.kserve.notebook import Notebook, Texts

_TRIES = 20


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The live object with the page it is on; both None when there is none."""

    isvc: Object | None
    page: Page | None
    ledger: Ledger


# Gives the next ledger, whose ``asked`` is the page wanted; None when nothing is to be done.
Turn = Callable[[Seen], Ledger | None]


class Owned:
    """One InferenceService. Its name is the service's."""

    def __init__(self, api: Api, notebook: Notebook, service: str) -> None:
        self._api = api
        self._notebook = notebook
        self._service = service
        # The newest version that this process has seen, with the uid it belongs to.
        self._newest = ("", 0)

    def look(self, *, drifted: bool = False) -> Seen:
        """Read the object and find its page; with ``drifted``, the page that it should be on.

        Raises:
            DriftError: when somebody else changed it in the middle of a rollout.
        """
        isvc = self.read()
        ledger = self.ledger()
        if isvc is None:
            return Seen(isvc=None, page=None, ledger=ledger)
        try:
            page: Page | None = ledger.page(isvc)
        except DriftError:
            if not drifted:
                raise
            busy = [page for page in (ledger.asked, ledger.before) if page and page.busy]
            page = busy[0]
        return Seen(isvc=isvc, page=page, ledger=ledger)

    def read(self) -> Object | None:
        """The object; never one that is older than what this process has seen or written.

        An API server that lags behind answers with the past, and calls it the present.
        Resource versions of one kind can be compared as whole numbers:
        https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions

        Raises:
            DeploymentError: when it lags behind for too long.
        """
        give_up = time.monotonic() + self._api.pace.answer_seconds
        while True:
            isvc = self._api.get(INFERENCE_SERVICE, self._service)
            if isvc is None or self._is_news(isvc):
                return isvc
            if time.monotonic() > give_up:
                raise DeploymentError(
                    f"the API server answers with a state of {self._service} that is older than "
                    "what it answered before: it lags behind"
                )
            time.sleep(self._api.pace.look_seconds)

    def _is_news(self, isvc: Object) -> bool:
        uid, newest = self._newest
        metadata = isvc["metadata"]
        version = int(metadata["resourceVersion"])
        if metadata["uid"] == uid and version < newest:
            return False
        self._newest = (metadata["uid"], version)
        return True

    def ledger(self) -> Ledger:
        """What we remember."""
        return read_ledger(self._notebook.read().get("ledger", ""))

    def note(self, change: Callable[[Ledger], Ledger]) -> None:
        """Change the ledger alone."""

        def write(texts: Texts) -> None:
            texts["ledger"] = write_ledger(change(read_ledger(texts.get("ledger", ""))))

        self._notebook.update(write)

    def turn(self, turn: Turn, *, force: bool = False) -> Object | None:
        """Bring the object to the page that ``turn`` wants; the object as it then is.

        With ``force`` fields that others own or have changed are taken.

        Raises:
            DeploymentError: when others change it again and again, or own what we must change.
        """
        for _ in range(_TRIES):
            seen = self.look(drifted=force)
            ledger = turn(seen)
            if ledger is None or ledger.asked is None:
                return seen.isvc
            page = ledger.asked
            self.note(lambda _, ledger=ledger: ledger)  # type: ignore[misc]
            try:
                isvc = self._apply(page, seen.isvc, force=force)
            except ConflictError:
                continue
            except FieldConflictError as error:
                raise DeploymentError(
                    f"held: {error}. Let that client give the fields up, or abort the rollout"
                ) from error
            if left := "; ".join(differences(page, isvc)):
                raise DeploymentError(
                    f"held: {self._service} did not become what was asked for ({left}): another "
                    "field manager owns that as well; see `kubectl get isvc "
                    f"{self._service} --show-managed-fields -o yaml`"
                )
            self._is_news(isvc)
            return isvc
        raise DeploymentError(
            f"{self._service} is changed by somebody else again and again: see "
            f"`kubectl get isvc {self._service} --show-managed-fields -o yaml`"
        )

    def remove(self, isvc: Object) -> None:
        """Delete this object, and remember none; another one in its place stays."""
        while True:
            metadata = isvc["metadata"]
            known = {name: metadata[name] for name in ("uid", "resourceVersion")}
            with suppress(ConflictError):
                self._api.delete(INFERENCE_SERVICE, self._service, known)
            found = self.read()
            if found is None or found["metadata"]["uid"] != metadata["uid"]:
                self.note(Ledger.closed)
                return
            isvc = found

    def _apply(self, page: Page, live: Object | None, *, force: bool) -> Object:
        metadata = {"annotations": page.annotations, "labels": page.labels}
        if live is None:
            # Never by force: an object that somebody made just now would be taken over unseen.
            content = {"metadata": metadata, "spec": page.spec}
            return self._api.apply(INFERENCE_SERVICE, self._service, content)
        known = {name: live["metadata"][name] for name in ("resourceVersion", "uid")}
        return self._api.apply(
            INFERENCE_SERVICE,
            self._service,
            {"metadata": {**metadata, **known}, "spec": page.spec},
            force=force,
        )
