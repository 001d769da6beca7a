"""Where a package is to where it lies on this machine, checked."""

import shutil
from pathlib import Path

from filelock import FileLock

from weathervane.config import store_from_environment
from weathervane.errors import PackageError
from weathervane.registry.package import Package, read_package


def obtain(place: str, digest: str, cache: Path) -> Package:
    """Read the package of this digest from a folder, or from the store through ``cache``.

    Raises:
        PackageError: when it is another one, or is altered.
        StoreError: when the store does not give it.
        UsageError: when the store is not set.
    """
    if not place.startswith("s3://"):
        return read_package(Path(place), digest)
    from weathervane.registry.store import Store

    folder = cache / digest
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{digest}.lock"):
        if folder.exists():
            try:
                return read_package(folder, digest)
            except PackageError:
                # The store has the original.
                shutil.rmtree(folder)
        Store(store_from_environment()).download_folder(place, folder)
        return read_package(folder, digest)
