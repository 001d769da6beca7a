"""From settings to a process that answers, in the order in which things go wrong soonest.

Ports first, then the package, then what takes seconds to import, then the golden answers; it
listens last, so that whoever can connect is answered.
"""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

from predictor.addresses import bound
from predictor.packages import Packages, obtain
from predictor.sdk import prepare_import
from predictor.settings import ServeConfig
from weathervane.errors import ExitCode, StoreError, UsageError
from weathervane.registry.package import Package

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0

_log = logging.getLogger("weathervane.predictor")


def serve(config: ServeConfig) -> None:
    """Serve one package until SIGTERM.

    Raises:
        PackageError: when the package must not be served.
        PlatformError: when a port is taken, or the store fails for longer than it may.
        UsageError: when what serves is not installed, the store is not set, or keys are wrong.
        KeyboardInterrupt: after SIGINT, when everything has ended.
    """
    # The first process of a container that handles no SIGTERM is not ended by it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.DONE))
    prepare_import()
    from predictor.access import read_access

    access = read_access(config.api_keys, config.admin_keys, os.environ)
    for option, given in (("--docs", config.docs), ("--packages", config.packages)):
        if given and not access.admin:
            raise UsageError(f"{option} are for admins: name who is one with --admin-keys")
    with closing(bound(config.host, config.http_port, "--http-port")) as listener:
        # gRPC binds for itself, later; that the port is taken is better known now.
        bound(config.host, config.grpc_port, "--grpc-port").close()
        packages = Packages(config.packages, config.cache) if config.packages else None
        package = _obtained(
            partial(packages.obtain, config.name)
            if packages
            else partial(obtain, config.package, config.digest, config.cache),
            config.store_seconds,
        )
        from predictor.payloads import PayloadLog
        from predictor.server import PredictorServer, loaded

        # What has been imported stays. Looking through it for cycles takes a tenth of a second in
        # which nobody is answered, and a request with a long list of numbers makes it happen.
        gc.collect()
        gc.freeze()
        model = loaded(config, config.name, package)
        with ExitStack() as stack:
            payloads = None
            if config.payload_log:
                payloads = stack.enter_context(
                    closing(PayloadLog(config.payload_log, share=config.payload_share))
                )
            server = PredictorServer(
                config, listener, access=access, packages=packages, payloads=payloads
            )
            server.start([model])


def _obtained(fetch: Callable[[], Package], seconds: float) -> Package:
    """The package, from a store that may be down for a while.

    Every failure of the store is tried again, a refusal as well: a key that was just changed is not
    known everywhere at once. Each is told when it happens, so nobody has to wait to know.
    """
    give_up = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return fetch()
        except StoreError as error:
            left = give_up - time.monotonic()
            if left <= 0:
                raise
            _log.warning("%s; asking again for %.0f s", error, left)
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
