from pathlib import Path

from tests.bench.figures import at_least, at_most, noted, publish


def test_a_figure_that_falls_short_fails_the_command_and_is_marked(tmp_path: Path):
    path = tmp_path / "figures.md"

    code = publish("make bench-x", [at_most("time", 12, 10, " s"), noted("note", "3")], path=path)

    assert code == 1
    assert "| time | 12 s | ≤ 10 s | **no** |" in path.read_text()


def test_a_command_replaces_its_own_section_only(tmp_path: Path):
    path = tmp_path / "figures.md"
    publish("make bench-x", [at_least("speed", 1, 5)], path=path)
    publish("make bench-y", [at_least("speed", 7, 5)], path=path)

    code = publish("make bench-x", [at_least("speed", 9, 5)], path=path)

    text = path.read_text()
    assert code == 0
    assert text.count("## `make bench-") == 2
    assert "| speed | 9 | ≥ 5 | yes |" in text
    assert "| speed | 7 | ≥ 5 | yes |" in text
    assert "| speed | 1 |" not in text
