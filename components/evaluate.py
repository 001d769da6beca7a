"""Step 4: candidates and champion on the same test pictures."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    data: str,
    settings: dict,
    model: str,
    manifest: dsl.Input[dsl.Artifact],
    dataset: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[list[dsl.Model]],
    contest: dsl.Output[dsl.Artifact],
    figures: dsl.Output[dsl.Metrics],
) -> dict:
    """Measure every model, and record the candidates in MLflow; returns their runs by name."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from weathervane import config
    from weathervane.data.manifest import Manifest
    from weathervane.data.prepare import Dataset
    from weathervane.evaluation.contest import hold_contest
    from weathervane.registry import lineage
    from weathervane.registry.store import Store

    chosen = config.from_mapping(config.PipelineSettings, settings, "settings")
    registry, store = lineage.connect(), Store(config.store_from_environment())
    folders = {one.metadata["architecture"]: Path(one.path) for one in candidates}
    with TemporaryDirectory() as scratch:
        held = hold_contest(
            folders,
            lineage.fetch_champion(registry, store, model, Path(scratch, "champion")),
            Dataset.open(Path(dataset.path)),
            manifest=Manifest.read(Path(manifest.path)),
            data=data,
            config=chosen.evaluation,
            progress=print,
        )
    held.write(Path(contest.path))
    for one in held.candidates:
        figures.log_metric(f"accuracy {one.name}", one.figures.accuracy)
    return lineage.log_candidates(registry, model, folders, held)
