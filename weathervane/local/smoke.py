"""A package in a real predictor, before anything depends on it.

In: a package's folder. Out: the number of pictures that it answered rightly over REST, or a
`PackageError`. The predictor listens on loopback at a free port and is gone afterwards.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from weathervane.client import classify
from weathervane.errors import PackageError
from weathervane.local.ask import ask
from weathervane.local.ports import LOOPBACK, number, reserve
from weathervane.local.serving import PREDICTOR
from weathervane.registry.package import GOLDEN_TOLERANCE, Package

_LOOK_SECONDS = 0.1


def smoke_test(
    package: Package, *, predictor: Sequence[str] = PREDICTOR, seconds: float = 120.0
) -> int:
    """Serve a package, and ask it about its golden pictures as a client would.

    Args:
        package: read from its folder.
        predictor: the command that serves.
        seconds: how long it may take to become ready.

    Returns:
        The number of pictures, each answered as the SavedModel did.

    Raises:
        PackageError: when the predictor refuses it, does not become ready, or answers otherwise.
        DeploymentError: when the predictor is ready and does not answer.
    """
    golden = package.golden()
    with _served(package, predictor, seconds) as address:
        answers = classify(address, package.model, [one.picture for one in golden])
        for count, (wanted, got) in enumerate(zip(golden, answers, strict=True), start=1):
            sure = max(wanted.probabilities)
            label = package.labels[wanted.probabilities.index(sure)]
            # Written so that NaN fails.
            if got.label != label or not abs(got.confidence - sure) <= GOLDEN_TOLERANCE:
                raise PackageError(
                    f"smoke test of {package.digest[:12]}: golden picture {count} is answered "
                    f"{got.label} ({got.confidence:.4f}), the SavedModel said {label} ({sure:.4f})"
                )
    return len(golden)


@contextmanager
def _served(package: Package, predictor: Sequence[str], seconds: float) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, reserve() as http, reserve() as grpc:
        log = Path(folder, "log")
        port = number(http)
        command = [
            *predictor,
            *("--package", str(package.folder.absolute()), "--digest", package.digest),
            *("--name", package.model, "--revision", "smoke-test", "--host", LOOPBACK),
            *("--http-port", str(port), "--grpc-port", str(number(grpc)), "--cache", folder),
        ]
        # No server of the platform's: it ends with our process group, however that ends.
        with (
            log.open("wb") as out,
            subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as server,
        ):
            try:
                _await_ready(server, port, log, seconds)
                yield f"http://{LOOPBACK}:{port}"
            finally:
                # Nothing is under way: what it would do before it ends need not be waited for.
                server.kill()


def _await_ready(server: "subprocess.Popen[bytes]", port: int, log: Path, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not _is_ready(port):
        ended = server.poll() is not None
        if ended or time.monotonic() > give_up:
            lines = log.read_text(errors="replace").strip().splitlines()
            what = "ended" if ended else f"was not ready within {seconds:.0f} s"
            said = f": {lines[-1].strip()}" if lines else ""
            raise PackageError(f"smoke test: the predictor {what}{said}")
        time.sleep(_LOOK_SECONDS)


def _is_ready(port: int) -> bool:
    try:
        return ask(port, "/v2/health/ready").status == 200
    except OSError:
        return False
