"""The compiled pipelines beside their sources are what the sources compile to."""

from pathlib import Path

from pipelines.compile import BESIDE, compile_all


def test_the_compiled_pipelines_are_up_to_date(tmp_path: Path):
    for compiled in compile_all(tmp_path):
        golden = (BESIDE / compiled.name).read_text(encoding="utf-8")
        assert compiled.read_text(encoding="utf-8") == golden, (
            f"{compiled.name} changed: look at the difference, then run "
            "python -m pipelines.compile and check it in"
        )
