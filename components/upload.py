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
    card: dsl.Input[dsl.Markdown],
) -> str:
    """Upload; what is there already stays. Returns the package's address."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from weathervane import config
    from weathervane.data.prepare import Dataset
    from weathervane.evaluation.card import as_page
    from weathervane.registry.lineage import publish
    from weathervane.registry.store import Store

    with TemporaryDirectory() as scratch:
        card_page = Path(scratch, "card.html")
        text = Path(card.path).read_text(encoding="utf-8")
        card_page.write_text(as_page(text, f"Model card: {digest[:12]}"), encoding="utf-8")
        uri = publish(
            Store(config.store_from_environment()),
            Path(package.path),
            digest,
            probes=Dataset.open(Path(dataset.path)).probes,
            evaluation={
                "judgement.json": Path(judgement.path),
                "comparison.html": Path(page.path),
                "model-card.md": Path(card.path),
                "model-card.html": card_page,
            },
        )
    print(f"the package is at {uri}")
    return uri
