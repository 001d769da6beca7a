"""From settings to a process that answers, in the order in which things go wrong soonest.

Ports first, then the package, then what takes seconds to import, then the golden answers; it
listens last, so that whoever can connect is answered.
"""

import os
from contextlib import ExitStack, closing

from predictor.addresses import bound
from predictor.packages import obtain
from predictor.sdk import prepare_import
from predictor.settings import ServeConfig
from weathervane.errors import UsageError


def serve(config: ServeConfig) -> None:
    """Serve one package until SIGTERM.

    Raises:
        PackageError: when the package must not be served.
        PlatformError: when a port is taken, or the store does not answer.
        UsageError: when what serves is not installed, the store is not set, or keys are wrong.
        KeyboardInterrupt: after SIGINT, when everything has ended.
    """
    prepare_import()
    from predictor.access import read_access

    access = read_access(config.api_keys, config.admin_keys, os.environ)
    if config.docs and not access.admin:
        raise UsageError("--docs are for admins: name who is one with --admin-keys")
    with closing(bound(config.host, config.http_port, "--http-port")) as listener:
        # gRPC binds for itself, later; that the port is taken is better known now.
        bound(config.host, config.grpc_port, "--grpc-port").close()
        package = obtain(config.package, config.digest, config.cache)
        from prometheus_client import REGISTRY

        from predictor.metrics import Metrics
        from predictor.model import PackagedModel
        from predictor.payloads import PayloadLog
        from predictor.server import PredictorServer

        metrics = Metrics(
            REGISTRY,
            model=config.name,
            revision=config.revision,
            digest=package.digest,
            labels=package.labels,
            ood_threshold=package.ood_threshold,
        )
        model = PackagedModel(
            config.name, package, revision=config.revision, threads=config.threads
        )
        model.load()
        with ExitStack() as stack:
            payloads = None
            if config.payload_log:
                payloads = stack.enter_context(
                    closing(
                        PayloadLog(
                            config.payload_log,
                            share=config.payload_share,
                            service=config.name,
                            revision=config.revision,
                            digest=package.digest,
                            metrics=metrics,
                        )
                    )
                )
            server = PredictorServer(
                config, model, metrics, listener, access=access, payloads=payloads
            )
            server.start([model])
