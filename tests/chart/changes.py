"""What one rendering has that another has not, place by place.

In: two texts as Helm renders them. Out: for each place that differs, such as
``Deployment weathervane-mlflow: spec.replicas``, what stands there in the second.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_BETWEEN = "\n---\n"
ABSENT, THERE = "(absent)", "(there)"
# The runtime's name holds a hash of what it says.
_HASHED = re.compile(r"\bweathervane-[0-9a-f]{8}\b")


def changes(before: str, after: str) -> dict[str, Any]:
    """Every place whose value differs, and its value in ``after``.

    An object that came or went is one place, ``Kind name``. In lists an entry with a name stands
    below that name, any other below its number; text that holds YAML or JSON is looked into, other
    text is taken by its lines.
    """
    was, now = set(before.split(_BETWEEN)), set(after.split(_BETWEEN))
    # Most objects are the same to the letter, and need not be read.
    old, new = _by_name(was - now), _by_name(now - was)
    found: dict[str, Any] = dict.fromkeys(old.keys() - new.keys(), ABSENT)
    found |= dict.fromkeys(new.keys() - old.keys(), THERE)
    for name in old.keys() & new.keys():
        then, later = dict(_places(old[name])), dict(_places(new[name]))
        for place in then.keys() | later.keys():
            value = later.get(place, ABSENT)
            if then.get(place, ABSENT) != value:
                found[f"{name}: {place}"] = value
    return found


def _by_name(documents: set[str]) -> dict[str, dict[str, Any]]:
    named = {}
    for one in (yaml.load(text, yaml.CSafeLoader) for text in documents):
        if one:
            about = one["metadata"]
            named[f"{one['kind']} {about['namespace']}/{_plain(about['name'])}"] = one
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
