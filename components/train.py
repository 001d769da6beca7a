"""Step 3, once for each architecture: train a candidate."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    architecture: str,
    weights: str,
    settings: dict,
    dataset: dsl.Input[dsl.Dataset],
    candidate: dsl.Output[dsl.Model],
) -> None:
    """Train one architecture; its SavedModel and the record of its training are the candidate."""
    from dataclasses import replace
    from pathlib import Path

    from weathervane import config
    from weathervane.data.prepare import Dataset
    from weathervane.folders import emptied
    from weathervane.training.cache import Cache
    from weathervane.training.train import train as fit

    chosen = config.from_mapping(config.PipelineSettings, settings, "settings").train
    chosen = replace(chosen, architecture=architecture, weights=weights or chosen.weights)
    cache = Cache.at(config.cache_folder(), print)
    out = emptied(Path(candidate.path))
    record = fit(Dataset.open(Path(dataset.path)), chosen, out, print, cache=cache)
    candidate.metadata["architecture"] = architecture
    candidate.metadata["parameters"] = record.parameters
