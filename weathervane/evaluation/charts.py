"""Charts of the page that compares models: figures in, SVG text that stands in the page out.

Shares run from 0 to 1. A model has one colour in all charts of a page.
"""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from weathervane.evaluation.metrics import Bin, Interval
from weathervane.evaluation.roc import Roc
from weathervane.training.record import Curves

# Okabe and Ito's colours, which people with any colour vision can tell apart.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_CHAMPION = "#5c6b7a"
_LINE, _SOFT = "#dfe5ea", "#5c6b7a"
_SQUARE = 220.0
_WIDE, _LOW = 300.0, 110.0
_ROW, _NAMES, _SCALE = 22.0, 150.0, 320.0


def colours(candidates: Sequence[str]) -> dict[str, str]:
    """The colour of each candidate, and the champion's, by name."""
    count = len(_COLOURS)
    return {name: _COLOURS[place % count] for place, name in enumerate(candidates)} | {
        "champion": _CHAMPION
    }


def roc(curves: Mapping[str, Roc], colour: Mapping[str, str]) -> Markup:
    """One curve a model: true positives over false positives."""
    lines = [
        Markup(
            '<polyline points="{}" stroke="{}"><title>{}, area {:.3f}</title></polyline>'
        ).format(
            _points(curve.false_positive_rate, curve.true_positive_rate),
            colour[name],
            name,
            curve.area,
        )
        for name, curve in curves.items()
    ]
    return _square("ROC", _diagonal(True), *lines, below="false positives →, true positives ↑")


def reliability(bins: Sequence[Bin], colour: str) -> Markup:
    """A dot for each bin: how often it is right over how sure it is."""
    dots = [
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}"><title>{}</title></circle>').format(
            _SQUARE * one.confidence,
            _SQUARE * (1 - one.accuracy),
            colour,
            f"of {one.pictures}: confidence {one.confidence:.2f}, accuracy {one.accuracy:.2f}",
        )
        for one in bins
    ]
    return _square(
        "accuracy by confidence", _diagonal(False), *dots, below="confidence →, accuracy ↑"
    )


def dots(
    rows: Mapping[str, Mapping[str, float]],
    colour: Mapping[str, str],
    intervals: Mapping[str, Mapping[str, Interval]] | None = None,
) -> Markup:
    """One row a name, in it one dot a model: its share."""
    height = _ROW * len(rows)
    drawn = [
        Markup(
            '<line x1="{x}" x2="{x}" y1="0" y2="{y}" stroke="{line}"/>'
            '<text x="{x}" y="{below}" text-anchor="middle">{value:g}</text>'
        ).format(x=_NAMES + _SCALE * value, y=height, below=height + 14, line=_LINE, value=value)
        for value in (0, 0.25, 0.5, 0.75, 1)
    ]
    for place, (name, values) in enumerate(rows.items()):
        middle = _ROW * (place + 0.5)
        drawn.append(
            Markup('<text x="{}" y="{:.0f}" text-anchor="end">{}</text>').format(
                _NAMES - 10, middle + 4, name
            )
        )
        for model, value in values.items():
            if intervals and model in intervals.get(name, {}):
                interval = intervals[name][model]
                drawn.append(
                    Markup(
                        '<line x1="{:.1f}" x2="{:.1f}" y1="{y}" y2="{y}" stroke="{}" '
                        'stroke-opacity=".5" stroke-width="3"/>'
                    ).format(
                        _NAMES + _SCALE * interval.low,
                        _NAMES + _SCALE * interval.high,
                        colour[model],
                        y=middle,
                    )
                )
            drawn.append(
                Markup(
                    '<circle cx="{:.1f}" cy="{}" r="5" fill="{}" fill-opacity=".85">'
                    "<title>{}: {:.3f}</title></circle>"
                ).format(_NAMES + _SCALE * value, middle, colour[model], model, value)
            )
    return _svg(_NAMES + _SCALE + 20, height + 20, "accuracy", drawn)


def training(curves: Curves, colour: str) -> Markup:
    """Accuracy by epoch: training pale, validation strong."""
    drawn = [
        Markup('<line x1="0" x2="{}" y1="{y}" y2="{y}" stroke="{}"/>').format(_WIDE, _LINE, y=y)
        for y in (0, _LOW)
    ]
    for values, stroke in ((curves.accuracy, "#b8c4d0"), (curves.validation_accuracy, colour)):
        steps = [number / max(1, len(values) - 1) for number in range(len(values))]
        drawn.append(
            Markup('<polyline points="{}" stroke="{}"/>').format(
                _points(steps, values, _WIDE, _LOW), stroke
            )
        )
    drawn += [
        Markup('<text x="{}" y="{}">{}</text>').format(_WIDE + 4, y, share)
        for y, share in ((4, 1), (_LOW + 4, 0))
    ]
    return _svg(_WIDE + 14, _LOW + 6, "accuracy by epoch", drawn)


def _square(label: str, *drawn: Markup, below: str) -> Markup:
    frame = Markup('<rect width="{0}" height="{0}" fill="none" stroke="{1}"/>').format(
        _SQUARE, _LINE
    )
    told = Markup('<text x="0" y="{}">{}</text>').format(_SQUARE + 16, below)
    return _svg(_SQUARE + 6, _SQUARE + 22, label, [frame, *drawn, told])


def _diagonal(of_chance: bool) -> Markup:
    title = "by chance" if of_chance else "as sure as it is right"
    return Markup(
        '<line x1="0" x2="{0}" y1="{0}" y2="0" stroke="#9fb3c8" stroke-dasharray="4 4">'
        "<title>{1}</title></line>"
    ).format(_SQUARE, title)


def _svg(width: float, height: float, label: str, drawn: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg width="{:.0f}" height="{:.0f}" role="img" aria-label="{}" font-size="11" '
        'fill="{}">{}</svg>'
    ).format(width, height, label, _SOFT, Markup("").join(drawn))


def _points(
    xs: Sequence[float], ys: Sequence[float], width: float = _SQUARE, height: float = _SQUARE
) -> str:
    return " ".join(
        f"{x * width:.1f},{height * (1 - min(max(y, 0.0), 1.0)):.1f}"
        for x, y in zip(xs, ys, strict=True)
    )
