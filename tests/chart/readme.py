"""The chart's README out of its values.yaml: ``python -m tests.chart.readme`` rewrites it.

In: values.yaml, whose comments explain what follows them. Out: a table, one row for each value.
"""

import re
from pathlib import Path

import yaml

from tests.chart.rendering import CHART

README = CHART / "README.md"
_HEAD = """# weathervane

{description}. How to install and use it: [docs/kubernetes.md](../../docs/kubernetes.md).

Made from the comments of [values.yaml](values.yaml) by `make golden`; edit those.

| value | default | what it does |
|---|---|---|
"""
_KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):(.*)$")


def readme() -> str:
    """The whole text."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return _HEAD.format(description=about["description"]) + "".join(
        f"| `{name}` | `{default}` | {told} |\n" for name, default, told in _rows()
    )


def _rows() -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    comments: list[str] = []
    path: list[str] = []
    inherited: list[str] = []
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("#"):
            # An example is not what a value does, and a rule under a headline is none either.
            if not re.match(r"#( {2,}| ?-)", text):
                comments.append(text.lstrip("# "))
        elif match := _KEY.match(line):
            depth = len(match[1]) // 2
            path[depth:] = [match[2]]
            inherited[depth:] = [" ".join(comments)]
            value = match[3].strip()
            if value:
                told = next((one for one in reversed(inherited) if one), "")
                rows.append((".".join(path), value.replace("|", "\\|"), told))
            comments = []
        else:
            comments = []
    return rows


def main() -> None:
    """Rewrite the file."""
    README.write_text(readme(), encoding="utf-8")
    print(Path(README).relative_to(CHART.parents[1]))


if __name__ == "__main__":
    main()
