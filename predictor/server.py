"""The model server of the KServe SDK, bound to one address, with our fronts in place of its own.

In: a loaded model and a bound socket. Out: REST and gRPC answered until a signal says stop, and
every request that came before the end; by that model, or by another that took over meanwhile.

SIGTERM: not ready any more, yet listening and serving for `ServeConfig.drain_seconds`, so that
whoever sends traffic here notices in time. Then, and at once after SIGINT or a second signal: no
new connections, and what is in flight is finished. At one more signal that is cut off as well.
"""

import asyncio
import logging
import signal
import socket
from contextlib import nullcontext
from enum import IntEnum
from functools import partial
from typing import Any

import uvicorn
import uvloop
from grpc import aio
from kserve.model import BaseKServeModel
from kserve.model_server import ModelServer, app
from prometheus_client import REGISTRY
from starlette.exceptions import HTTPException

from predictor.access import Access
from predictor.addresses import spelled
from predictor.connection import Connection, Connections
from predictor.fronts import FrontBuilder
from predictor.metrics import Families
from predictor.model import PackagedModel
from predictor.packages import Packages
from predictor.payloads import PayloadLog
from predictor.repository import Repository
from predictor.routes import unrouted
from predictor.servicer import Calls
from predictor.settings import ServeConfig
from predictor.workers import Workers
from weathervane.errors import PlatformError
from weathervane.registry.package import Package

# How long requests in work may take to end once nothing new is taken on.
GRACE_SECONDS = 20
# How often is looked for clients that send too slowly.
_LOOK_SECONDS = 0.25
_CONNECTION_AGE_SECONDS = 600
# Longer than a gateway keeps its idle connections, so that it is never us who closes one that the
# gateway is about to use.
KEEP_ALIVE_SECONDS = 75

_log = logging.getLogger("weathervane.predictor")


class _Stage(IntEnum):
    SERVING = 0
    DRAINING = 1  # not ready, and serving as ever
    CLOSING = 2  # nothing new
    CUTTING = 3


class PredictorServer(ModelServer):  # type: ignore[misc]
    """The SDK's server with an address of its own, a strict front, and an end without losses.

    The SDK's own binds every address, lets anybody unload the model, and closes connections after
    an error.
    """

    def __init__(
        self,
        config: ServeConfig,
        listener: socket.socket,
        *,
        access: Access,
        packages: Packages | None,
        payloads: PayloadLog | None,
    ) -> None:
        super().__init__(
            http_port=config.http_port,
            grpc_port=config.grpc_port,
            grace_period=GRACE_SECONDS,
            enable_latency_logging=False,
            ssl_certfile=None,
            ssl_keyfile=None,
        )
        self._config = config
        self._listener = listener
        self._workers = Workers(
            threads=config.threads,
            queue=config.queue,
            max_wait_seconds=config.max_wait_seconds,
        )
        self._fronts = FrontBuilder(
            config=config,
            access=access,
            workers=self._workers,
            families=Families(REGISTRY),
            repository=Repository(access, packages, partial(loaded, config), self._take_over),
            payloads=payloads,
        )
        self._calls = Calls()
        self._connections = Connections(config.limits)
        app.router.redirect_slashes = False
        app.add_exception_handler(HTTPException, unrouted)
        self._rest = _Uvicorn(
            uvicorn.Config(
                app,
                # uvicorn only calls it.
                http=partial(Connection, connections=self._connections),  # type: ignore[arg-type]
                server_header=False,
                access_log=False,
                log_config=None,
                lifespan="off",
                ws="none",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._stage = _Stage.SERVING
        self._closing = asyncio.Event()
        self._cutting = asyncio.Event()
        self._stopped_by = 0

    def start(self, models: list[BaseKServeModel]) -> None:
        """Listen, and return when everything has ended after a signal.

        Raises:
            PlatformError: when a port was taken meanwhile.
            KeyboardInterrupt: when the first signal was SIGINT.
        """
        (model,) = models
        self._take_over(model)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(model.package.digest))
        self._workers.close()
        if self._stopped_by == signal.SIGINT:
            raise KeyboardInterrupt

    def _take_over(self, model: PackagedModel) -> None:
        """From now on requests are this model's; the one before finishes what it has begun."""
        for name in tuple(self.registered_models.get_models()):
            self.registered_models.unload(name)
        self.register_model(model)
        if self._stage is not _Stage.SERVING:
            model.stop()
        fronts = self._fronts.over(model)
        # In place of what is there: the SDK's application comes with routes of its own.
        app.router.routes[:] = fronts.rest.routes()
        self._calls.go_to(fronts.grpc)
        self._rest.say_with_all(fronts.headers)

    def stop(self, sig: int) -> None:
        """Go a step further towards the end."""
        self._stopped_by = self._stopped_by or sig
        if self._stage is not _Stage.SERVING:
            self._go_to(_Stage(min(self._stage + 1, _Stage.CUTTING)))
        elif sig == signal.SIGINT:
            # Whoever pressed Ctrl-C waits.
            self._go_to(_Stage.CLOSING)
        else:
            self._go_to(_Stage.DRAINING)

    def _go_to(self, stage: _Stage) -> None:
        if stage <= self._stage:
            return
        self._stage = stage
        _log.info("told to stop: %s", stage.name.lower())
        # Readiness falls before anything else, whichever signal it was.
        for model in self.registered_models.get_models().values():
            model.stop()
        self._connections.leaving = True
        if stage is _Stage.DRAINING:
            asyncio.get_running_loop().call_later(
                self._config.drain_seconds, self._go_to, _Stage.CLOSING
            )
            return
        self._rest.should_exit = True
        self._closing.set()
        if stage is _Stage.CUTTING:
            self._rest.cut()
            self._cutting.set()

    async def _serve(self, digest: str) -> None:
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self.stop, sig)
        grpc_server = aio.server(options=_grpc_options(self._config))
        grpc_server.add_generic_rpc_handlers((self._calls,))
        try:
            grpc_port = grpc_server.add_insecure_port(
                spelled(self._config.host, self._config.grpc_port)
            )
            self._listener.listen(self._rest.config.backlog)
        except (OSError, RuntimeError) as error:
            raise PlatformError(f"cannot listen: {error}") from error
        await grpc_server.start()
        _log.info(
            "%s serves %s: REST on http://%s, gRPC on %s",
            self._config.revision,
            digest,
            spelled(self._config.host, self._listener.getsockname()[1]),
            spelled(self._config.host, grpc_port),
        )
        looking = asyncio.create_task(self._rest.cut_late())
        await asyncio.gather(self._rest.serve([self._listener]), self._end(grpc_server))
        looking.cancel()

    async def _end(self, grpc_server: aio.Server) -> None:
        """End gRPC when REST does."""
        await self._closing.wait()
        ended = asyncio.create_task(grpc_server.stop(GRACE_SECONDS))
        cut = asyncio.create_task(self._cutting.wait())
        await asyncio.wait((ended, cut), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await grpc_server.stop(0)
        await ended
        cut.cancel()


class _Uvicorn(uvicorn.Server):
    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        # Signals are ours: gRPC has to end as well.
        return nullcontext()

    def say_with_all(self, headers: tuple[tuple[str, str], ...]) -> None:
        """Send these headers with every answer from now on."""
        # The first is what the second is made of at the start; the third, from the second each
        # second, with the date.
        self.config.headers = list(headers)
        self.config.encoded_headers = [(name.encode(), told.encode()) for name, told in headers]
        date = [header for header in self.server_state.default_headers if header[0] == b"date"]
        self.server_state.default_headers = date + self.config.encoded_headers

    async def cut_late(self) -> None:
        """Cut clients that send too slowly, for as long as there may be some."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for connection in list(self.server_state.connections):
                connection.cut_if_late(loop.time())  # type: ignore[union-attr]

    def cut(self) -> None:
        """End now, whatever is in flight."""
        self.force_exit = True
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _grpc_options(config: ServeConfig) -> list[tuple[str, Any]]:
    """https://grpc.github.io/grpc/core/group__grpc__arg__keys.html."""
    return [
        # Otherwise two servers could share a port, each getting some of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", config.max_body_bytes),
        ("grpc.max_concurrent_streams", config.limits.ahead),
        # Nothing but identity, as over REST: the size is checked when all has been decompressed,
        # and 8 MiB can be 8 GiB then. Pictures are compressed as it is.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        ("grpc.per_message_decompression", 0),
        # A message that never becomes whole ends with its connection, and that with its age; who
        # behaves is told in time to open another.
        ("grpc.max_connection_age_ms", _CONNECTION_AGE_SECONDS * 1000),
        ("grpc.max_connection_age_grace_ms", int(config.limits.body_seconds * 1000)),
        # Clients that are gone without a word hold their calls no longer than this.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]


def loaded(config: ServeConfig, name: str, package: Package) -> PackagedModel:
    """A package as a model that has given its golden answers; blocks for as long as that takes.

    Raises:
        PackageError: when this predictor must not serve it.
    """
    model = PackagedModel(name, package, revision=config.revision, threads=config.threads)
    model.load()
    return model
