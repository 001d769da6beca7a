"""The chart's README says what its values do."""

from tests.chart.readme import README, readme


def test_the_readme_is_made_from_the_values():
    assert README.read_text(encoding="utf-8") == readme(), "values.yaml changed: run make golden"


def test_every_value_is_explained():
    rows = [line for line in readme().splitlines() if line.startswith("| `")]

    assert len(rows) > 50
    assert [row for row in rows if row.endswith("|  |")] == []
