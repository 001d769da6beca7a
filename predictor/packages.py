"""Where a package is to where it lies on this machine, checked: one of them, or several by name."""

import shutil
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from predictor.settings import DIGEST, NAME
from weathervane.config import store_from_environment
from weathervane.errors import PackageError
from weathervane.registry.package import DESCRIPTION, Package, read_package


class UnknownPackageError(PackageError):
    """There is no package of this name."""


def obtain(place: str, digest: str, cache: Path) -> Package:
    """Read the package of this digest from a folder, or from the store through ``cache``.

    Raises:
        PackageError: when it is another one, or is altered.
        StoreError: when the store does not give it.
        UsageError: when the store is not set.
    """
    if not _in_store(place):
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


class Packages:
    """Packages side by side in a folder, or below a prefix of the store; their folders name them.

    Args:
        place: the folder, or ``s3://bucket/prefix``.
        cache: where packages from a store are kept.
    """

    def __init__(self, place: str, cache: Path) -> None:
        self._place = place.rstrip("/")
        self._cache = cache

    def digests(self) -> dict[str, str]:
        """What there is: digests by name, in the names' order.

        Raises:
            PackageError: when the folder cannot be read.
            StoreError: when the store fails.
            UsageError: when the store is not set.
        """
        described = _described_in_store if _in_store(self._place) else _described_in_folder
        return {
            # What is called by a digest must be of that digest.
            name: name if DIGEST.fullmatch(name) else sha256(text).hexdigest()
            for name, text in sorted(described(self._place).items())
        }

    def obtain(self, name: str) -> Package:
        """Read the package of this name.

        Raises:
            UnknownPackageError: when there is none.
            PackageError: when it changes meanwhile, or is altered.
            StoreError, UsageError: as for `digests`.
        """
        digests = self.digests()
        if name not in digests:
            there = ", ".join(list(digests)[:8]) or "none"
            raise UnknownPackageError(
                f"there is no package {name!r} in {self._place}; there are: {there}"
            )
        return obtain(f"{self._place}/{name}", digests[name], self._cache)


def _in_store(place: str) -> bool:
    return place.startswith("s3://")


def _described_in_folder(place: str) -> dict[str, bytes]:
    """What describes each package, by name; what cannot be a name is passed over."""
    try:
        return {
            folder.name: (folder / DESCRIPTION).read_bytes()
            for folder in Path(place).iterdir()
            if NAME.fullmatch(folder.name) and (folder / DESCRIPTION).is_file()
        }
    except OSError as error:
        raise PackageError(f"cannot look for packages in {place}: {error.strerror}") from error


def _described_in_store(place: str) -> dict[str, bytes]:
    from weathervane.registry.store import Store

    store = Store(store_from_environment())
    found = {}
    for path in store.names(place):
        name, _, rest = path.partition("/")
        if rest == DESCRIPTION and NAME.fullmatch(name):
            found[name] = store.read(f"{place}/{path}")
    return found
