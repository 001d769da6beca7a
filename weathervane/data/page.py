"""The page that people read about a set of pictures: a report in, one HTML file out.

It needs nothing beside it, and stays under 4 MB however many pictures there are: of examples,
clusters and samples so many are shown, and the rest is counted; ``report.json`` has all.
"""

import base64
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2

from weathervane.data import images
from weathervane.data.report import Readable, Report
from weathervane.data.words import count_of
from weathervane.errors import ImageError

_THUMBNAIL_PIXELS = 144  # the longer side
_JPEG_QUALITY = 75
_SAMPLES_PER_CLASS = 6
_EXAMPLES_SHOWN = 8  # of a finding
_CLUSTERS_SHOWN = 60
_CLUSTER_MEMBERS_SHOWN = 4
_CLASSES_SHOWN = 20
_SHIFTS_SHOWN = 30
_SUSPECTS_SHOWN = 60
# Some six hundred photographs; noise takes more. What does not fit is shown by its path.
_THUMBNAILS_BYTES = 3_000_000

# Colours that people tell apart who see colours otherwise (Okabe and Ito, "Color Universal
# Design", 2008); after seven classes, one for all others.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00")
_OTHER_COLOUR = "#777777"


@dataclass(frozen=True, kw_only=True)
class Dot:
    """Pictures of one class and about one size; places are shares of the plot's sides."""

    across: float
    up: float
    radius: float  # pixels; its square grows with the number
    colour: str
    told: str


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Widths across and heights up, both by logarithm."""

    dots: tuple[Dot, ...]
    across: tuple[tuple[float, int], ...]  # where a tick is, and its pixels
    up: tuple[tuple[float, int], ...]
    colours: Mapping[str, str]  # by class; classes without a colour of their own are left out


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Pictures that are the same."""

    shown: tuple[Readable, ...]
    more: int

    @property
    def labels_differ(self) -> bool:
        """Whether the pictures shown carry different labels."""
        return len({each.label for each in self.shown}) > 1


def render(report: Report) -> str:
    """The whole page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("weathervane.data", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    clusters, more_clusters = find_clusters(report.pictures)
    samples = _samples_of(report)
    return environment.get_template("report.html.j2").render(
        report=report,
        count_of=count_of,
        samples=samples,
        examples_shown=_EXAMPLES_SHOWN,
        shifts_shown=_SHIFTS_SHOWN,
        suspects=report.suspects[:_SUSPECTS_SHOWN],
        clusters=clusters,
        more_clusters=more_clusters,
        scatter=scatter(report.pictures),
        thumbnails=_thumbnails(Path(report.folder), _wanted(report, clusters, samples)),
        largest=max((each.files for each in report.classes.values()), default=1) or 1,
    )


def shown(report: Report) -> list[str]:
    """The paths of the pictures that the page shows."""
    return _wanted(report, find_clusters(report.pictures)[0], _samples_of(report))


def _wanted(
    report: Report, clusters: Sequence[Cluster], samples: Mapping[str, Sequence[str]]
) -> list[str]:
    shown = [
        *(
            path
            for each in report.findings
            for group in each.examples[:_EXAMPLES_SHOWN]
            for path in group
        ),
        *(each.path for each in report.suspects[:_SUSPECTS_SHOWN]),
        *(each.path for cluster in clusters for each in cluster.shown),
        *(path for paths in samples.values() for path in paths),
    ]
    readable = {picture.path for picture in report.pictures}
    return [path for path in dict.fromkeys(shown) if path in readable]


def find_clusters(pictures: Iterable[Readable]) -> tuple[list[Cluster], int]:
    """The clusters to show, those with different labels and then the largest first; how many not.

    Of a cluster with different labels, some of each label are shown.
    """
    members = defaultdict(list)
    for picture in pictures:
        members[picture.cluster].append(picture)
    groups = [group for group in members.values() if len(group) > 1]
    groups.sort(key=lambda group: (-len({one.label for one in group}), -len(group), group[0].path))
    clusters = []
    for group in groups[:_CLUSTERS_SHOWN]:
        first: dict[str, Readable] = {}
        for one in group:
            first.setdefault(one.label, one)
        others = (one for one in group if one is not first[one.label])
        shown = tuple([*first.values(), *others][:_CLUSTER_MEMBERS_SHOWN])
        clusters.append(Cluster(shown=shown, more=len(group) - len(shown)))
    return clusters, len(groups) - len(clusters)


def scatter(pictures: Sequence[Readable]) -> Scatter | None:
    """Sizes as dots, pictures of about one size in one; None without pictures.

    At most 48 x 32 places for each colour, however many pictures there are.
    """
    if not pictures:
        return None
    counts = Counter(picture.label for picture in pictures)
    colours = {
        label: colour for (label, _), colour in zip(counts.most_common(), _COLOURS, strict=False)
    }
    low, high = _span(pictures)

    def place(pixels: int) -> float:
        return (math.log2(pixels) - low) / (high - low)

    cells: Counter[tuple[str, int, int]] = Counter()
    for picture in pictures:
        colour = colours.get(picture.label, _OTHER_COLOUR)
        cells[colour, round(48 * place(picture.width)), round(32 * place(picture.height))] += 1
    names = {colour: label for label, colour in colours.items()} | {_OTHER_COLOUR: "other classes"}
    largest = max(cells.values())
    dots = tuple(
        Dot(
            across=x / 48,
            up=y / 32,
            radius=round(2 + 8 * math.sqrt(number / largest), 1),
            colour=colour,
            told=f"{names[colour]}: {count_of(number, 'picture')}",
        )
        # Large ones first, so that small ones lie above them.
        for (colour, x, y), number in sorted(cells.items(), key=lambda cell: (-cell[1], cell[0]))
    )
    ticks = tuple(((power - low) / (high - low), 2**power) for power in range(low, high + 1))
    return Scatter(dots=dots, across=ticks, up=ticks, colours=colours)


def _span(pictures: Sequence[Readable]) -> tuple[int, int]:
    """Powers of two around every width and height."""
    sides = [side for picture in pictures for side in (picture.width, picture.height)]
    low, high = math.floor(math.log2(min(sides))), math.ceil(math.log2(max(sides)))
    return low, max(high, low + 1)


def _samples_of(report: Report) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {label: [] for label in list(report.classes)[:_CLASSES_SHOWN]}
    for each in report.pictures:
        if each.label in paths and not each.left_out:
            paths[each.label].append(each.path)
    return {
        label: found[:: max(1, len(found) // _SAMPLES_PER_CLASS)][:_SAMPLES_PER_CLASS]
        for label, found in paths.items()
    }


def _thumbnails(folder: Path, paths: Sequence[str]) -> dict[str, str]:
    """By path, as many as there is room for."""
    left, thumbnails = _THUMBNAILS_BYTES, {}
    with ThreadPoolExecutor() as pool:
        made = pool.map(lambda path: _thumbnail(folder / path), paths)
        for path, thumbnail in zip(paths, made, strict=True):
            left -= len(thumbnail)
            if left >= 0:
                thumbnails[path] = thumbnail
    return thumbnails


def _thumbnail(path: Path) -> str:
    """A data URI of a small JPEG; empty when the file went away meanwhile."""
    try:
        picture = images.decode(path.read_bytes())
    except (OSError, ImageError):
        return ""
    scale = min(1.0, _THUMBNAIL_PIXELS / max(picture.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    small = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
