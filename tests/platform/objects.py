"""The objects of a cluster, as its API server keeps them.

In: create, replace, apply, delete, with a resourceVersion where somebody wants to be sure. Out:
objects, or a `RefusedError` with the status, reason and message that the API server answers with:
k8s.io/apimachinery pkg/api/errors/errors.go.
"""

import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.platform import ownership
from tests.platform.ownership import FieldConflictError, Owners

Object = dict[str, Any]
# Group/version/plural, namespace, name: ("serving.kserve.io/v1beta1/inferenceservices", "ns", "x")
Key = tuple[str, str, str]
Webhook = Callable[[Object], None]


class RefusedError(Exception):
    """What the API server answers instead of an object."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


def not_found(key: Key) -> RefusedError:
    return RefusedError(404, "NotFound", f'{key[0].split("/")[-1]} "{key[2]}" not found')


def conflict(key: Key) -> RefusedError:
    return RefusedError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {key[0].split("/")[-1]} "{key[2]}": the object has been '
        "modified; please apply your changes to the latest version and try again",
    )


@dataclass(frozen=True)
class Change:
    """One entry of the log that watches read."""

    version: int
    kind: str  # ADDED, MODIFIED, DELETED
    key: Key
    obj: Object


class Objects:
    """Every method may be called from several threads."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.webhooks: dict[str, Webhook] = {}
        self.log: list[Change] = []
        self.compacted = 0  # versions up to here are forgotten by the log
        self._live: dict[Key, Object] = {}
        self._owners: dict[Key, Owners] = {}
        self._version = 1000

    @property
    def version(self) -> int:
        return self._version

    def get(self, key: Key, *, at: int | None = None) -> Object:
        """The object now, or as it was at an earlier version."""
        with self.changed:
            if at is not None:
                past = [c for c in self.log if c.key == key and c.version <= at]
                if not past or past[-1].kind == "DELETED":
                    raise not_found(key)
                return deepcopy(past[-1].obj)
            if key not in self._live:
                raise not_found(key)
            return deepcopy(self._live[key])

    def find(self, key: Key) -> Object | None:
        with self.changed:
            return deepcopy(self._live.get(key))

    def of_kind(self, kind: str, namespace: str | None = None) -> list[Object]:
        with self.changed:
            return [
                deepcopy(obj)
                for key, obj in sorted(self._live.items())
                if key[0] == kind and namespace in (None, key[1])
            ]

    def every_key(self) -> list[Key]:
        with self.changed:
            return list(self._live)

    def create(self, key: Key, obj: Object, manager: str = "kube") -> Object:
        with self.changed:
            if key in self._live:
                plural, name = key[0].split("/")[-1], key[2]
                raise RefusedError(409, "AlreadyExists", f'{plural} "{name}" already exists')
            self._check(key, obj)
            owners = ownership.updated({}, {}, obj, manager)
            return self._keep(key, obj, owners, before=None)

    def replace(self, key: Key, obj: Object, manager: str = "kube") -> Object:
        """PUT. An object without a resourceVersion replaces whatever is there."""
        with self.changed:
            before = self.get(key)
            self._same_version(key, before, obj)
            # The status of kinds that have one is a resource of its own.
            obj = {**deepcopy(obj), **({"status": before["status"]} if "status" in before else {})}
            self._check(key, obj)
            owners = ownership.updated(before, self._owners[key], obj, manager)
            return self._keep(key, obj, owners, before)

    def apply(self, key: Key, wanted: Object, manager: str, *, force: bool) -> Object:
        """PATCH with application/apply-patch+yaml."""
        with self.changed:
            before = self._live.get(key)
            if before is None:
                if wanted["metadata"].get("resourceVersion"):
                    raise not_found(key)
                self._check(key, wanted)
                owners: Owners = {(manager, "Apply"): ownership.paths(wanted)}
                return self._keep(key, wanted, owners, None)
            self._same_version(key, before, wanted)
            try:
                result = ownership.applied(before, self._owners[key], wanted, manager, force=force)
            except FieldConflictError as error:
                said = ", ".join(
                    f'conflict with "{who}" using {wanted["apiVersion"]}: .{".".join(path)}'
                    for who, path in error.conflicts
                )
                count = len(error.conflicts)
                raise RefusedError(
                    409,
                    "Conflict",
                    f"Apply failed with {count} conflict{'s' * (count > 1)}: {said}",
                ) from error
            self._check(key, result.obj)
            return self._keep(key, result.obj, result.owners, before)

    def set_status(self, key: Key, status: Object) -> None:
        """As a controller does through the status subresource; nothing when it is the same."""
        with self.changed:
            before = self._live.get(key)
            if before is not None and before.get("status") != status:
                after = {**deepcopy(before), "status": deepcopy(status)}
                self._keep(key, after, self._owners[key], before)

    def delete(self, key: Key, preconditions: Mapping[str, str] | None = None) -> Object:
        with self.changed:
            obj = self.get(key)
            for name, value in (preconditions or {}).items():
                if obj["metadata"][name] != value:
                    raise conflict(key)
            self._version += 1
            del self._live[key], self._owners[key]
            self._say("DELETED", key, obj)
            return obj

    def _check(self, key: Key, obj: Object) -> None:
        if webhook := self.webhooks.get(key[0]):
            webhook(obj)

    def _same_version(self, key: Key, before: Object, wanted: Object) -> None:
        for name in ("resourceVersion", "uid"):
            asked = wanted["metadata"].get(name)
            if asked and asked != before["metadata"][name]:
                raise conflict(key)

    def _keep(self, key: Key, obj: Object, owners: Owners, before: Object | None) -> Object:
        obj = deepcopy(obj)
        if (
            before is not None
            and _content(before) == _content(obj)
            and (owners == self._owners[key])
        ):
            # Nothing changes: the version stays, and no watch hears of it.
            return deepcopy(before)
        self._version += 1
        metadata = obj.setdefault("metadata", {})
        old = before["metadata"] if before else {}
        moved = before is not None and _spec(before) != _spec(obj)
        metadata.update(
            namespace=key[1],
            name=key[2],
            uid=old.get("uid", str(uuid4())),
            resourceVersion=str(self._version),
            generation=old.get("generation", 1) + moved,
            creationTimestamp=old.get("creationTimestamp", "2026-01-01T00:00:00Z"),
            managedFields=[
                {
                    "manager": name,
                    "operation": operation,
                    "apiVersion": obj.get("apiVersion", "v1"),
                    "fieldsType": "FieldsV1",
                    "fieldsV1": ownership.as_fields_v1(owned),
                }
                for (name, operation), owned in sorted(owners.items())
            ],
        )
        self._live[key], self._owners[key] = obj, owners
        self._say("ADDED" if before is None else "MODIFIED", key, obj)
        return deepcopy(obj)

    def _say(self, kind: str, key: Key, obj: Object) -> None:
        self.log.append(Change(self._version, kind, key, deepcopy(obj)))
        self.changed.notify_all()


def _spec(obj: Object) -> Object:
    """What a generation counts: metadata.generation moves when this does."""
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}


def _content(obj: Object) -> Object:
    metadata = {
        name: value
        for name, value in obj.get("metadata", {}).items()
        if name not in ("resourceVersion", "generation", "managedFields", "creationTimestamp")
        and name not in ("uid", "name", "namespace")
    }
    return {**obj, "metadata": metadata}
