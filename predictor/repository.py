"""What can be served, and how an admin changes what is; of a pinned predictor nobody can.

In: names. Out: digests to choose from; another model that serves; or a `ProtocolError`, and what
served before serves on.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic

from predictor.access import Access
from predictor.model import PackagedModel
from predictor.packages import Packages, UnknownPackageError
from predictor.protocol import NO_CHANGE, ProtocolError
from weathervane.errors import PackageError, StoreError, WeathervaneError
from weathervane.registry.package import Package

# Everybody may ask what there is, and not every one of them is worth the store's time.
_LISTED_SECONDS = 5.0

_log = logging.getLogger("weathervane.predictor")


class Repository:
    """Packages by name, of which one serves.

    Args:
        access: who is an admin.
        packages: what there is to choose from; None for a predictor that was started for one
            package, by its digest.
        start: makes a model that is ready of a name and a package, or raises; takes seconds.
        take_over: lets it serve in the place of the one that does.
    """

    def __init__(
        self,
        access: Access,
        packages: Packages | None,
        start: Callable[[str, Package], PackagedModel],
        take_over: Callable[[PackagedModel], None],
    ) -> None:
        self._access = access
        self._packages = packages
        self._start = start
        self._take_over = take_over
        self._loading: asyncio.Task[PackagedModel] | None = None
        self._listing = asyncio.Lock()
        self._listed: Mapping[str, str] = {}
        self._listed_until = 0.0

    async def digests(self) -> Mapping[str, str]:
        """Digests by name of what an admin may load, as it was seconds ago; nothing when pinned.

        Raises:
            ProtocolError: 503, when the store does not say.
        """
        if self._packages is None:
            return {}
        async with self._listing:
            if monotonic() >= self._listed_until:
                try:
                    self._listed = await asyncio.to_thread(self._packages.digests)
                except WeathervaneError as error:
                    # The reason names the store and its key: it is not for everybody.
                    _log.warning("packages cannot be listed: %s", error)
                    raise ProtocolError(503, "what can be loaded is not known now") from error
                self._listed_until = monotonic() + _LISTED_SECONDS
            return self._listed

    async def load(self, name: str, authorization: str | None) -> PackagedModel:
        """Let the package of this name serve, once it has given its golden answers.

        It goes on when whoever asked for it leaves.

        Raises:
            ProtocolError: 403 when pinned, 401 without an admin's key, 404 when there is no such
                package, 409 when it must not be served, 503 when the store fails or another one is
                being loaded.
        """
        packages = self._allowed(authorization)
        if self._loading and not self._loading.done():
            raise ProtocolError(503, "another package is being loaded; try again in a second")
        self._loading = asyncio.create_task(self._load(name, packages))
        # Heard even when nobody waits for it any more.
        self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._loading)

    def unload(self, model: PackagedModel, name: str, authorization: str | None) -> None:
        """Let ``model``, which serves, be absent until one is loaded.

        Raises:
            ProtocolError: 403 when pinned, 401 without an admin's key, 404 for another name.
        """
        self._allowed(authorization)
        model.check_name(name, model.package.digest)
        model.unload()
        _log.info("%s was unloaded", name)

    def _allowed(self, authorization: str | None) -> Packages:
        """What an admin may choose from, when this is one."""
        if self._packages is None:
            raise ProtocolError(403, NO_CHANGE)
        self._access.check_admin(authorization)
        return self._packages

    async def _load(self, name: str, packages: Packages) -> PackagedModel:
        try:
            model = await asyncio.to_thread(lambda: self._start(name, packages.obtain(name)))
        except WeathervaneError as error:
            _log.warning("%s was not loaded: %s", name, error)
            raise ProtocolError(_status(error), str(error)) from error
        self._take_over(model)
        _log.info("%s was loaded: it serves %s", name, model.package.digest)
        return model


def _status(error: WeathervaneError) -> int:
    if isinstance(error, UnknownPackageError):
        return 404
    if isinstance(error, PackageError):
        return 409
    return 503 if isinstance(error, StoreError) else 500
