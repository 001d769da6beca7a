"""Step 8: name the package in MLflow."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    model: str, digest: str, uri: str, runs: dict, judgement: dsl.Input[dsl.Artifact]
) -> int:
    """Register the package and make it the challenger; returns the version's number."""
    from pathlib import Path

    from weathervane.evaluation.judgements import read_judgement
    from weathervane.registry import lineage
    from weathervane.registry.versions import CHALLENGER

    judged = read_judgement(Path(judgement.path))
    chosen = judged.evaluations[judged.chosen]
    tags = {name: f"{figure:.4g}" for name, figure in lineage.figures_of(chosen).items()}
    registry = lineage.connect()
    version = registry.register(
        model,
        digest,
        uri,
        {"data_digest": chosen.data_digest, "candidate": chosen.name, **tags},
        run_id=runs[chosen.name],
    )
    registry.set_alias(model, CHALLENGER, digest)
    print(f"version {version} of {model} is the challenger")
    return version
