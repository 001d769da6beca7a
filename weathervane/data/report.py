"""The validation report: what was found, for machines (JSON) and for people (HTML).

It also carries the pictures that were readable, which is what a manifest is built from.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
from pydantic import TypeAdapter, ValidationError

from weathervane.data import images
from weathervane.data.files import write_whole
from weathervane.data.findings import Finding, LeftOut, Severity
from weathervane.data.words import count_of
from weathervane.errors import DataError, ImageError

_THUMBNAIL_PIXELS = 160  # the longer side, on the page
_SAMPLES_PER_CLASS = 6


@dataclass(frozen=True, kw_only=True)
class Readable:
    """A picture that could be decoded, and why it stays out of the manifest, if it does."""

    path: str  # relative to the report's folder, with `/`
    label: str
    sha256: str
    phash: str  # 64 bits, hex
    width: int
    height: int
    cluster: str  # smallest sha256 of the pictures that are the same
    left_out: LeftOut


@dataclass(frozen=True, kw_only=True)
class ClassSummary:
    """One class: numbers of files, and medians over its readable pictures (0 without any)."""

    files: int
    readable: int
    usable: int
    width: float
    height: float
    brightness: float  # mean grey value, 0 to 1
    contrast: float  # standard deviation of coarse grey values, 0 to 0.5


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `validate` found in ``folder``."""

    folder: str
    findings: tuple[Finding, ...]
    classes: Mapping[str, ClassSummary]
    pictures: tuple[Readable, ...]

    @property
    def passed(self) -> bool:
        """Whether none of the findings is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings are of that severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def require_passed(self) -> None:
        """Stop here when the pictures cannot be used.

        Raises:
            DataError: with every error that was found.
        """
        errors = [
            f"{finding.message} [{finding.code}]: {finding.recommendation}"
            for finding in self.findings
            if finding.severity == "error"
        ]
        if errors:
            raise DataError(f"{self.folder} cannot be used: " + "; ".join(errors))

    def write(self, out: Path) -> None:
        """Write ``report.json`` and ``report.html`` into the folder ``out``."""
        write_whole(out / "report.json", self.as_json().encode())
        write_whole(out / "report.html", self.as_html().encode())

    def as_json(self) -> str:
        """Everything, so that `Report.read` gives it back."""
        document: dict[str, Any] = {"passed": self.passed, **asdict(self)}
        return json.dumps(document, ensure_ascii=False, indent=1)

    @staticmethod
    def read(path: Path) -> "Report":
        """Read ``report.json``.

        Raises:
            DataError: when it is absent or is no report.
        """
        try:
            return TypeAdapter(Report).validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"cannot read the report {path}: {error.strerror}") from error
        except ValidationError as error:
            raise DataError(f"{path} is not a validation report") from error

    def as_html(self) -> str:
        """One page that needs nothing beside it: thumbnails are in it."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("weathervane.data", "."),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        samples = {label: self._samples(label) for label in self.classes}
        shown = {path for paths in samples.values() for path in paths}
        shown |= {path for each in self.findings for group in each.examples for path in group}
        readable = {picture.path for picture in self.pictures}
        return environment.get_template("report.html.j2").render(
            report=self,
            count_of=count_of,
            samples=samples,
            thumbnails={
                path: _thumbnail(Path(self.folder) / path) for path in sorted(shown & readable)
            },
            largest=max((each.files for each in self.classes.values()), default=1) or 1,
        )

    def _samples(self, label: str) -> list[str]:
        paths = [each.path for each in self.pictures if each.label == label and not each.left_out]
        step = max(1, len(paths) // _SAMPLES_PER_CLASS)
        return paths[::step][:_SAMPLES_PER_CLASS]


def _thumbnail(path: Path) -> str:
    """A data URI of a small JPEG; empty when the file went away meanwhile."""
    try:
        picture = images.decode(path.read_bytes())
    except (OSError, ImageError):
        return ""
    scale = min(1.0, _THUMBNAIL_PIXELS / max(picture.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    small = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, 80))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
