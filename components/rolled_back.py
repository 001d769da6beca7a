"""Release, step 5, when the package was taken back: show it in the graph, where a run is green."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def rolled_back(digest: str, summary: dsl.Input[dsl.Markdown]) -> None:
    """Say what became of the package; that this step ran is how a run tells that it was refused."""
    from pathlib import Path

    print(f"package {digest} was taken back")
    print(Path(summary.path).read_text(encoding="utf-8"))
