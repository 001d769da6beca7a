"""Release, step 3: the package in a real predictor, before any traffic."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def smoke_test(digest: str, package: dsl.Input[dsl.Model]) -> int:
    """Serve the package and ask it; returns the number of pictures that it answered rightly."""
    from pathlib import Path

    from weathervane.local.smoke import smoke_test
    from weathervane.registry.package import read_package

    answered = smoke_test(read_package(Path(package.path), digest))
    print(f"{answered} golden pictures are answered as the SavedModel did")
    return answered
