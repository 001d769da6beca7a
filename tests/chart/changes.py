"""What one rendering has that another has not, place by place.

In: two sets of rendered objects. Out: for each place that differs, such as
``Deployment weathervane-mlflow: spec.replicas``, what stands there in the second.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Objects = tuple[dict[str, Any], ...]
ABSENT, THERE = "(absent)", "(there)"
# The runtime's name holds a hash of what it says.
_HASHED = re.compile(r"\bweathervane-[0-9a-f]{8}\b")


def changes(before: Objects, after: Objects) -> dict[str, Any]:
    """Every place whose value differs, and its value in ``after``.

    An object that came or went is one place, ``Kind name``. In lists an entry with a name stands
    below that name, any other below its number; text that holds YAML or JSON is looked into, other
    text is taken by its lines.
    """
    old, new = _by_name(before), _by_name(after)
    found: dict[str, Any] = dict.fromkeys(old.keys() - new.keys(), ABSENT)
    found |= dict.fromkeys(new.keys() - old.keys(), THERE)
    for name in old.keys() & new.keys():
        was, now = dict(_places(old[name])), dict(_places(new[name]))
        for place in was.keys() | now.keys():
            value = now.get(place, ABSENT)
            if was.get(place, ABSENT) != value:
                found[f"{name}: {place}"] = value
    return found


def _by_name(found: Objects) -> dict[str, dict[str, Any]]:
    named = {}
    for one in found:
        about = one["metadata"]
        named[f"{one['kind']} {about['namespace']}/{_plain(about['name'])}"] = one
    assert len(named) == len(found)
    return named


def _places(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    value = _inside(value, where)
    if isinstance(value, Mapping) and value:
        entries = list(value.items())
    elif isinstance(value, list) and value:
        entries = [(_label(one, number), one) for number, one in enumerate(value)]
    else:
        yield where, _plain(value)
        return
    for key, one in entries:
        yield from _places(one, f"{where}.{key}" if where else str(key))


def _inside(value: Any, where: str) -> Any:
    if isinstance(value, str) and where.endswith(".yaml"):
        return yaml.safe_load(value)
    if isinstance(value, str) and value.startswith('{"'):
        return json.loads(value)
    if isinstance(value, str) and "\n" in value:
        return [line.strip() for line in value.splitlines()]
    return value


def _label(entry: Any, number: int) -> str:
    named = isinstance(entry, Mapping) and "name" in entry and len(entry) > 1
    return str(entry["name"]) if named else str(number)


def _plain(value: Any) -> Any:
    return _HASHED.sub("weathervane-HASH", value) if isinstance(value, str) else value
