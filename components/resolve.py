"""Release, step 1: which package it is."""

from typing import NamedTuple

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def resolve(model: str, package: str) -> NamedTuple("Package", [("digest", str), ("uri", str)]):
    """Turn an alias or a digest into a digest, once: nothing after this step reads an alias."""
    from weathervane import config
    from weathervane.registry.lineage import connect
    from weathervane.registry.store import Store
    from weathervane.rollout.release import resolve

    store = Store(config.store_from_environment())
    release = resolve(connect(), store, model, package)
    print(f"{package} of {model} is package {release.digest}")
    return release.digest, release.uri
