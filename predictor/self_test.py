"""``python -m predictor.self_test [PACKAGE]``: whether this installation serves, asked as a user.

Starts the predictor on a package, by default the one that lies in its image, asks it by the V2
protocol over REST for each golden picture, and ends it. Needs no shell, no port of its own and
nothing to write to.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from weathervane.client import classify
from weathervane.errors import ExitCode, PlatformError, WeathervaneError
from weathervane.registry.package import Package, read_package

# Beside the environment in the image.
_PACKAGE = Path(sys.prefix).parent / "self-test"
_SERVES = re.compile(r"REST on (http://[\w.:\[\]]+)")
_SECONDS = 30
_MODEL = "weather"  # as the predictor calls a package that nobody names


def check(folder: Path) -> int:
    """Serve a package, and return how many golden pictures were answered as it says.

    Raises:
        PackageError: when it is altered.
        PlatformError: when the predictor does not serve it, or labels a picture otherwise.
        DeploymentError: when it does not answer.
    """
    package = read_package(folder)
    golden = package.golden()
    with _served(package) as address:
        pictures = [one.picture for one in golden]
        answers = classify(address, _MODEL, pictures, timeout_seconds=_SECONDS)
        for number, (one, told) in enumerate(zip(golden, answers, strict=True), start=1):
            wanted = package.labels[one.probabilities.index(max(one.probabilities))]
            if told.label != wanted:
                raise PlatformError(
                    f"golden picture {number} is {wanted}, and was called {told.label}"
                )
    return len(golden)


@contextmanager
def _served(package: Package) -> Iterator[str]:
    options = {
        "--package": str(package.folder),
        "--digest": package.digest,
        "--revision": "self-test",
        "--http-port": "0",
        "--grpc-port": "0",
    }
    command = [
        sys.executable,
        "-m",
        "predictor",
        *(word for one in options.items() for word in one),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr  # noqa: S101 - it was asked for
            said = []
            for line in process.stderr:
                said.append(line)
                if serves := _SERVES.search(line):
                    yield serves[1]
                    return
            raise PlatformError(f"the predictor ended: {''.join(said[-5:]).strip()}")
        finally:
            process.terminate()


def main(arguments: Sequence[str]) -> int:
    """Check, and say so in one line."""
    folder = Path(arguments[0]) if arguments else _PACKAGE
    try:
        pictures = check(folder)
    except WeathervaneError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"serves: {pictures} golden pictures of {folder} were answered as they should be")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
