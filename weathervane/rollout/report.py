"""One rollout as a page: its weight over time, its steps, what happened and why.

In: the record's entries. Out: one HTML file that needs nothing else.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from weathervane.rollout.history import Moment, in_words, moments_of, rollouts_of
from weathervane.rollout.timeline import TITLES, cells, steps_of

_WIDTH, _HEIGHT = 900, 160


def render(service: str, record: Sequence[dict[str, Any]], rollout: str) -> str:
    """The page of one rollout.

    Raises:
        KeyError: when the record does not hold it.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    past = {past.id: past for past in rollouts_of(record)}[rollout]
    moments = moments_of(record, rollout)
    environment = Environment(
        loader=PackageLoader("weathervane.rollout", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        service=service,
        past=past,
        told=in_words(past.end),
        titles=TITLES,
        steps=[(cells(step), step.why) for step in steps_of(record, rollout)],
        moments=moments,
        width=_WIDTH,
        height=_HEIGHT,
        line=_line(moments),
        seconds=_seconds(moments[-1], moments) if moments else 0.0,
    )


def _line(moments: Sequence[Moment]) -> str:
    """The weight over time as points of an SVG polyline."""
    whole = max((_seconds(moment, moments) for moment in moments), default=0.0) or 1.0
    points, before = [], 0
    for moment in moments:
        x = max(0.0, _seconds(moment, moments)) / whole * _WIDTH
        # The canary keeps its weight until the moment that changes it.
        points += [(x, before), (x, moment.weight)]
        before = moment.weight
    return " ".join(f"{x:.1f},{_HEIGHT - y / 100 * _HEIGHT:.1f}" for x, y in points)


def _seconds(moment: Moment, moments: Sequence[Moment]) -> float:
    begun = datetime.fromisoformat(moments[0].at)
    return (datetime.fromisoformat(moment.at) - begun).total_seconds()
