"""The validation report: what was found, for machines (JSON) and for people (HTML).

It also carries the pictures that were readable, which is what a manifest is built from.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from weathervane.data.files import write_whole
from weathervane.data.findings import SEVERITIES, Finding, LeftOut, Severity
from weathervane.data.labels import Suspect
from weathervane.data.shift import Shift, shift_findings
from weathervane.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class Readable:
    """A picture that could be decoded, and why it stays out of the manifest, if it does."""

    path: str  # relative to the report's folder, with `/`
    label: str
    sha256: str
    phash: str  # 64 bits, hex
    width: int
    height: int
    cluster: str  # smallest sha256 of the pictures that are the same
    scene: str  # the same, parts of one another included
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
    contrast: float  # standard deviation of grey values, 0 to 0.5
    sharpness: float  # as in `features`, like the next
    saturation: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `validate` found."""

    folder: str  # where the pictures were looked at; of an archive or a prefix, gone by now
    findings: tuple[Finding, ...]
    classes: Mapping[str, ClassSummary]
    pictures: tuple[Readable, ...]
    source: str = ""  # what a person or a pipeline called them, if not by their folder
    shift: Shift | None = None  # against another set of pictures, when one was named
    suspects: tuple[Suspect, ...] = ()  # labels that are probably wrong, when they were looked for

    @property
    def name(self) -> str:
        """What the pictures are called."""
        return self.source or self.folder

    @property
    def passed(self) -> bool:
        """Whether none of the findings is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings are of that severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def with_findings(self, found: Iterable[Finding]) -> "Report":
        """The same report with more findings, the worst first."""
        every = (*self.findings, *found)
        ranked = sorted(every, key=lambda each: (-SEVERITIES.index(each.severity), each.code))
        return replace(self, findings=tuple(ranked))

    def with_shift(self, shift: Shift) -> "Report":
        """The same report, compared with another set of pictures."""
        return replace(self, shift=shift).with_findings(shift_findings(shift))

    def with_suspects(self, suspects: tuple[Suspect, ...], found: Finding | None) -> "Report":
        """The same report with labels that are probably wrong, and what is said of them."""
        return replace(self, suspects=suspects).with_findings([found] if found else [])

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
            raise DataError(f"{self.name} cannot be used: " + "; ".join(errors))

    def write(self, out: Path) -> None:
        """Write ``report.json`` and ``report.html`` into the folder ``out``."""
        write_whole(out / "report.json", self.as_json().encode())
        write_whole(out / "report.html", self.as_html().encode())

    def as_json(self) -> str:
        """Everything, so that `Report.read` gives it back."""
        document: dict[str, Any] = {"passed": self.passed, **asdict(replace(self, pictures=()))}
        # On one line, and pictures without `asdict`: a tenth of the time for 18,000 of them.
        names = [each.name for each in fields(Readable)]
        values = map(attrgetter(*names), self.pictures)
        document["pictures"] = [dict(zip(names, each, strict=True)) for each in values]
        return json.dumps(document, ensure_ascii=False)

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
        """One page that needs nothing beside it, of a bounded size; see `page`."""
        from weathervane.data.page import render

        return render(self)
