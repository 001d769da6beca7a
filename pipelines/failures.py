"""What a step said when it failed: lines of a log in, the error that it raised out.

A step runs in another process, here or on a cluster; what is left of its error is the traceback.
"""

import re
from collections.abc import Sequence

from weathervane import errors
from weathervane.errors import WeathervaneError


def last_error(lines: Sequence[str]) -> str:
    """The line that ends the last traceback, ``module.Error: message``; empty without one."""
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].startswith("Traceback (most recent call last)"):
            ends = (line for line in lines[number + 1 :] if line and not line[0].isspace())
            return next(ends, "")
    return ""


def as_raised(told: str) -> WeathervaneError | None:
    """The error of ours that such a line is about; None for any other."""
    ours = re.fullmatch(r"weathervane\.errors\.(\w+): (.*)", told)
    kind = getattr(errors, ours[1], None) if ours else None
    if ours and isinstance(kind, type) and issubclass(kind, WeathervaneError):
        return kind(ours[2])
    return None
