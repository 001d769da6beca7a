"""Step 7: bring the package and what belongs to it to the store."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def upload(
    digest: str,
    package: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    judgement: dsl.Input[dsl.Artifact],
    page: dsl.Input[dsl.HTML],
) -> str:
    """Upload; what is there already stays. Returns the package's address."""
    from pathlib import Path

    from weathervane import config
    from weathervane.data.prepare import Dataset
    from weathervane.registry.lineage import publish
    from weathervane.registry.store import Store

    uri = publish(
        Store(config.store_from_environment()),
        Path(package.path),
        digest,
        probes=Dataset.open(Path(dataset.path)).probes,
        evaluation={"judgement.json": Path(judgement.path), "comparison.html": Path(page.path)},
    )
    print(f"the package is at {uri}")
    return uri
