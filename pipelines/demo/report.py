"""The demo's report: one HTML page that needs nothing beside it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.demo.charts import bars, timeline
from pipelines.demo.summary import Summary
from pipelines.demo.traffic import Request
from weathervane.data.files import write_whole


def write_report(summary: Summary, requests: Sequence[Request], file: Path) -> None:
    """Write the page."""
    environment = Environment(
        loader=PackageLoader("pipelines.demo", "."), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        summary=summary,
        begun=datetime.fromtimestamp(summary.begun_at, UTC),
        class_chart=bars(summary.classes, "pictures"),
        timeline=timeline(requests, summary.releases) if requests else "",
    )
    write_whole(file, page.encode())
