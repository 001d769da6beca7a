"""Kubernetes manifests as the doctor looks at them.

In: files of YAML. Out: each object with the place it came from, found again by kind and name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from weathervane.config import parse_yaml
from weathervane.errors import UsageError
from weathervane.rollout.kserve.template import TEMPLATE, TEMPLATE_KEY


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong: where, what it does, and how to put it right."""

    where: str
    what: str
    cure: str


@dataclass(frozen=True)
class Manifest:
    """One object. ``where`` is a file, or the namespace that it lives in."""

    where: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body.get("kind") or "")

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata.get("name") or "")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Name, annotations, labels."""
        return self.body.get("metadata") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return self.metadata.get("annotations") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        """What is wanted of it."""
        return self.body.get("spec") or {}

    def __str__(self) -> str:
        return f"{self.where}: {self.kind} {self.name}".rstrip()


class Manifests:
    """Objects that belong together."""

    def __init__(self, every: Iterable[Manifest]) -> None:
        self._every = tuple(found for manifest in every for found in _with_template(manifest))

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self._every)

    def of(self, *kinds: str) -> Iterator[Manifest]:
        """All objects of these kinds."""
        return (manifest for manifest in self._every if manifest.kind in kinds)

    def find(self, kind: str, name: str) -> Manifest | None:
        """One object, or None."""
        return next((m for m in self.of(kind) if m.name == name), None)


def _with_template(manifest: Manifest) -> Iterator[Manifest]:
    """The template that a ConfigMap of ours holds is a manifest as well."""
    yield manifest
    if (manifest.kind, manifest.name) == ("ConfigMap", TEMPLATE):
        text = (manifest.body.get("data") or {}).get(TEMPLATE_KEY) or ""
        where = f"{manifest.where}: ConfigMap {TEMPLATE}"
        yield Manifest(where, parse_yaml(text, where))


def read_manifests(folder: Path) -> Manifests:
    """Read every ``*.yaml`` and ``*.yml`` under a folder, or one file.

    Raises:
        UsageError: when there is none, or one is not YAML.
    """
    files = (
        [folder] if folder.is_file() else sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")])
    )
    if not files:
        raise UsageError(f"there are no manifests (*.yaml) in {folder}")
    return Manifests(manifest for file in files for manifest in _read(file, folder))


def _read(file: Path, folder: Path) -> Iterator[Manifest]:
    where = file.name if file == folder else str(file.relative_to(folder))
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{file} is not YAML: {error}") from error
    for document in documents:
        if isinstance(document, Mapping) and document.get("kind"):
            items = document.get("items") if document["kind"] == "List" else [document]
            yield from (Manifest(where, item) for item in items or [])
