"""The model server of the KServe SDK, bound to one address, with our fronts in place of its own.

In: a loaded model and a bound socket. Out: REST and gRPC answered until a signal says stop.
"""

import asyncio
import logging
import signal
import socket
from contextlib import nullcontext

import uvicorn
import uvloop
from fastapi import FastAPI
from grpc import aio
from kserve.model import BaseKServeModel
from kserve.model_server import ModelServer, app
from starlette.exceptions import HTTPException

from predictor.access import Access
from predictor.addresses import spelled
from predictor.metrics import Metrics
from predictor.model import PackagedModel
from predictor.payloads import PayloadLog
from predictor.routes import Front, unrouted
from predictor.servicer import Servicer
from predictor.settings import ServeConfig
from predictor.workers import Workers
from weathervane.errors import PlatformError

# How long requests in work may take to end once the server is told to stop.
GRACE_SECONDS = 20
# Longer than a gateway keeps its idle connections, so that it is never us who closes one that the
# gateway is about to use.
KEEP_ALIVE_SECONDS = 75

_log = logging.getLogger("weathervane.predictor")


class PredictorServer(ModelServer):  # type: ignore[misc]
    """The SDK's server with an address of its own, a strict front, and an end without losses.

    The SDK's own binds every address, lets anybody unload the model, and closes connections after
    an error.
    """

    def __init__(
        self,
        config: ServeConfig,
        model: PackagedModel,
        metrics: Metrics,
        listener: socket.socket,
        *,
        access: Access,
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
        headers = (
            ("x-weathervane-revision", model.revision),
            ("x-weathervane-digest", model.package.digest),
        )
        self._servicer = Servicer(model, self._workers, metrics, headers, access=access)
        front = Front(
            model,
            self._workers,
            metrics,
            max_body_bytes=config.max_body_bytes,
            access=access,
            payloads=payloads,
            docs=config.docs,
        )
        self._rest = _Uvicorn(
            uvicorn.Config(
                _with_routes(app, front),
                headers=list(headers),
                server_header=False,
                access_log=False,
                log_config=None,
                lifespan="off",
                ws="none",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._stopped_by = 0

    def start(self, models: list[BaseKServeModel]) -> None:
        """Listen, and return when everything has ended after a signal.

        Raises:
            PlatformError: when a port was taken meanwhile.
            KeyboardInterrupt: when that signal was SIGINT.
        """
        self._register_and_check_atleast_one_model_is_ready(models)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())
        self._workers.close()
        if self._stopped_by == signal.SIGINT:
            raise KeyboardInterrupt

    def stop(self, sig: int) -> None:
        """Stop being ready and taking connections; finish what is in work."""
        _log.info("told to stop")
        self._stopped_by = sig
        for model in self.registered_models.get_models().values():
            model.stop()
        self._rest.should_exit = True

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self.stop, sig)
        grpc_server = aio.server(
            options=[
                # Otherwise two servers could share a port, each getting some of the calls.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self._config.max_body_bytes),
            ]
        )
        self._servicer.add_to(grpc_server)
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
            self._config.digest,
            spelled(self._config.host, self._listener.getsockname()[1]),
            spelled(self._config.host, grpc_port),
        )
        await self._rest.serve([self._listener])
        await grpc_server.stop(GRACE_SECONDS)


class _Uvicorn(uvicorn.Server):
    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        # Signals are ours: gRPC has to end as well.
        return nullcontext()


def _with_routes(application: FastAPI, front: Front) -> FastAPI:
    # In place of what is there: the SDK's application comes with a page about its API.
    application.router.routes[:] = front.routes()
    application.router.redirect_slashes = False
    application.add_exception_handler(HTTPException, unrouted)  # type: ignore[arg-type]
    return application
