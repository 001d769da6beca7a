"""From settings to a process that answers, in the order in which things go wrong soonest.

Ports first, then the package, then what takes seconds to import, then the golden answers; it
listens last, so that whoever can connect is answered.
"""

from contextlib import closing

from predictor.addresses import bound
from predictor.packages import obtain
from predictor.sdk import prepare_import
from predictor.settings import ServeConfig


def serve(config: ServeConfig) -> None:
    """Serve one package until SIGTERM.

    Raises:
        PackageError: when the package must not be served.
        PlatformError: when a port is taken, or the store does not answer.
        UsageError: when what serves is not installed, or the store is not set.
        KeyboardInterrupt: after SIGINT, when everything has ended.
    """
    prepare_import()
    with closing(bound(config.host, config.http_port, "--http-port")) as listener:
        # gRPC binds for itself, later; that the port is taken is better known now.
        bound(config.host, config.grpc_port, "--grpc-port").close()
        package = obtain(config.package, config.digest, config.cache)
        from prometheus_client import REGISTRY

        from predictor.metrics import Metrics
        from predictor.model import PackagedModel
        from predictor.server import PredictorServer

        metrics = Metrics(
            REGISTRY, model=config.name, revision=config.revision, digest=package.digest
        )
        model = PackagedModel(
            config.name, package, metrics, revision=config.revision, threads=config.threads
        )
        model.load()
        PredictorServer(config, model, metrics, listener).start([model])
