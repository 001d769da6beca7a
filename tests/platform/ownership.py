"""Who owns which field of an object: server-side apply. Pure.

In: an object, what somebody wants of it, who owned what. Out: the object and who owns what now.
The rules are those of https://kubernetes.io/docs/reference/using-api/server-side-apply/ and of
kubernetes-sigs/structured-merge-diff, merge/update.go. Every list is one value here, as
`spec.canary` and `args` are in KServe's CRD (``x-kubernetes-list-type: atomic``).
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
Manager = tuple[str, str]  # its name, and "Apply" or "Update"
Owners = dict[Manager, frozenset[Path]]

# Set by the server, or what names the object: nobody owns them.
_UNOWNED = ("namespace", "name", "uid", "resourceVersion", "generation", "creationTimestamp")


class FieldConflictError(Exception):
    """Others own fields that an apply wants to change: (their name, the path)."""

    def __init__(self, conflicts: list[tuple[str, Path]]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts


@dataclass(frozen=True)
class Applied:
    obj: dict[str, Any]
    owners: Owners


def applied(
    live: Mapping[str, Any], owners: Owners, wanted: Mapping[str, Any], manager: str, *, force: bool
) -> Applied:
    """What an apply by ``manager`` makes of an object."""
    me = (manager, "Apply")
    asked = paths(wanted)
    conflicts = [
        (other[0], path)
        for other, owned in owners.items()
        for path in sorted(owned & asked)
        if other != me and get(live, path) != get(wanted, path)
    ]
    if conflicts and not force:
        raise FieldConflictError(conflicts)
    obj = deepcopy(dict(live))
    taken = {path for _, path in conflicts}
    left = {other: owned - taken for other, owned in owners.items() if other != me}
    theirs = frozenset[Path]().union(*left.values())
    for path in owners.get(me, frozenset()) - asked - theirs:
        _remove(obj, path)
    for path in asked:
        _set(obj, path, deepcopy(get(wanted, path)))
    return Applied(obj, {other: owned for other, owned in left.items() if owned} | {me: asked})


def updated(
    before: Mapping[str, Any], owners: Owners, after: Mapping[str, Any], manager: str
) -> Owners:
    """Who owns what after ``manager`` replaced an object: what it changed is its own."""
    old, new = paths(before), paths(after)
    changed = {path for path in new if path not in old or get(before, path) != get(after, path)}
    gone = old - new
    left = {other: owned - changed - gone for other, owned in owners.items()}
    me = (manager, "Update")
    left[me] = left.get(me, frozenset()) | changed
    return {other: owned for other, owned in left.items() if owned}


def as_fields_v1(owned: frozenset[Path]) -> dict[str, Any]:
    """A set of paths as `metadata.managedFields[].fieldsV1` spells it."""
    tree: dict[str, Any] = {}
    for path in owned:
        node = tree
        for part in path:
            node = node.setdefault(f"f:{part}", {})
    return tree


def paths(obj: Mapping[str, Any]) -> frozenset[Path]:
    """Every field of an object that can be owned."""
    return frozenset(_leaves(obj, ()))


def get(obj: Mapping[str, Any], path: Path) -> Any:
    node: Any = obj
    for part in path:
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def _leaves(node: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for key, value in node.items():
        here = (*path, key)
        if path == () and key in ("apiVersion", "kind", "status"):
            continue
        if path == ("metadata",) and key in (*_UNOWNED, "managedFields"):
            continue
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, here)
        else:
            yield here


def _set(obj: dict[str, Any], path: Path, value: Any) -> None:
    node = obj
    for part in path[:-1]:
        if not isinstance(node.get(part), dict):
            node[part] = {}
        node = node[part]
    node[path[-1]] = value


def _remove(obj: dict[str, Any], path: Path) -> None:
    trail = [obj]
    for part in path[:-1]:
        if not isinstance(trail[-1].get(part), dict):
            return
        trail.append(trail[-1][part])
    trail[-1].pop(path[-1], None)
    # A map that nothing is left in goes with its last field.
    for parent, part in zip(reversed(trail[:-1]), reversed(path[:-1]), strict=True):
        if parent[part] == {}:
            del parent[part]
