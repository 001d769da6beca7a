"""Numbers from outside with their bounds, written once and held for code as for YAML.

In: a dataclass whose annotations carry bounds. Out: nothing, or a `UsageError` that names the
field, the value and what was expected. Pydantic reads the same annotations for YAML and the schema.
"""

import operator
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

from weathervane.errors import UsageError

# Strict: YAML's `yes` is no number, and neither is "10".
Percent: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=100)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0)]
Amount: TypeAlias = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
AboveZero: TypeAlias = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]

FROM_OUTSIDE = ConfigDict(extra="forbid", use_attribute_docstrings=True)


# NaN holds against none of them.
_RULES: tuple[tuple[type, str, Callable[[float, float], bool], str], ...] = (
    (Ge, "ge", operator.ge, "at least"),
    (Gt, "gt", operator.gt, "above"),
    (Le, "le", operator.le, "at most"),
    (Lt, "lt", operator.lt, "below"),
)


def check_bounds(settings: object, whose: str) -> None:
    """Hold each number of a dataclass against the bounds in its annotation.

    Raises:
        UsageError: naming ``whose`` value it is, the field, the value and the bound.
    """
    kind: type[Any] = type(settings)
    for name, hint in _hints(kind).items():  # type: ignore[arg-type]  # a class is hashable
        value = getattr(settings, name)
        for bound, holds, words in _bounds(hint, value):
            if not holds:
                raise UsageError(f"{whose} {name} must be {words} {bound:g}, got {value}")


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def _bounds(hint: object, value: object) -> list[tuple[float, bool, str]]:
    """Each bound of a field: the limit, whether ``value`` holds, and how it reads."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return []
    return [
        (limit := getattr(rule, name), holds(value, limit), words)
        for part in (hint, *get_args(hint))
        for field in getattr(part, "__metadata__", ())
        for rule in (field.metadata if isinstance(field, FieldInfo) else ())
        for kind, name, holds, words in _RULES
        if isinstance(rule, kind)
    ]
