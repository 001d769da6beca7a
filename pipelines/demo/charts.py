"""Charts of the demo's report, as SVG text that stands in the page itself."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from pipelines.demo.summary import Release
from pipelines.demo.traffic import Request, by_second

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision can tell apart; red is kept for
# failures.
_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#999999")
_FAILED = "#C1121F"
_QUIET = "#6B7280"


def timeline(requests: Sequence[Request], releases: Sequence[Release]) -> str:
    """Requests a second by revision, failures, and the weights that the releases asked for."""
    start, end = min(r.at for r in requests), max(r.at for r in requests)
    figure, axes = _figure(11, 3.6)
    series = by_second(requests, start, end)
    seconds = range(len(next(iter(series.values()))))
    colours = dict(zip(series, _COLOURS * len(series), strict=False))
    axes.stackplot(
        seconds, list(series.values()), labels=list(series), colors=list(colours.values())
    )
    top = max(map(sum, zip(*series.values(), strict=True)))
    failed = by_second([r for r in requests if r.failed], start, end)
    if failed:
        lost = [sum(column) for column in zip(*failed.values(), strict=True)]
        axes.bar(seconds, lost, width=1.0, color=_FAILED, label="failed", zorder=3)
    for release in releases:
        if release.ended_at > start:
            _mark(axes, release, start, top)
    axes.set(xlim=(0, end - start), ylim=(0, top * 1.45), xlabel="seconds", ylabel="requests/s")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=6, frameon=False)
    return _svg(figure)


def bars(values: Mapping[str, int], unit: str) -> str:
    """One horizontal bar for each name."""
    figure, axes = _figure(5.2, 0.35 * len(values) + 0.6)
    names = list(values)[::-1]
    drawn = axes.barh(names, [values[name] for name in names], color=_COLOURS[0], height=0.65)
    axes.bar_label(drawn, padding=3, color=_QUIET)
    axes.set_xlabel(unit)
    return _svg(figure)


def _mark(axes: "Axes", release: Release, start: float, top: float) -> None:
    """Shade a release and write its weights where they began to act."""
    begun, ended = max(0.0, release.begun_at - start), release.ended_at - start
    axes.axvspan(begun, ended, color="#000000", alpha=0.05, linewidth=0)
    axes.text(begun + 0.5, top * 1.33, release.title, fontsize=8, weight="bold", clip_on=True)
    for at, weight in release.weights:
        axes.axvline(at - start, color=_QUIET, linewidth=0.8, linestyle=":")
        axes.text(at - start + 0.5, top * 1.2, f"{weight} %", fontsize=8, color=_QUIET)


def _figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def _svg(figure: "Figure") -> str:
    from matplotlib import rc_context

    text = StringIO()
    # Text stays text; ids depend on nothing random, so equal figures are equal bytes.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "weathervane"}):
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    # The XML declaration has no place inside of HTML.
    return text.getvalue()[text.getvalue().index("<svg") :]
