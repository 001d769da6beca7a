"""Release, step 2: what lies in the store is that package, whole."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def verify(digest: str, uri: str, package: dsl.Output[dsl.Model]) -> None:
    """Download the package; every file must be the one that the digest names."""
    from pathlib import Path

    from weathervane import config
    from weathervane.registry.package import read_package
    from weathervane.registry.store import Store

    Store(config.store_from_environment()).download_folder(uri, Path(package.path))
    found = read_package(Path(package.path), digest)
    package.metadata["digest"] = digest
    print(f"{len(found.files)} files are as package {digest[:12]} lists them")
