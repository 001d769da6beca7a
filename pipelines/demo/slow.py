"""``python -m pipelines.demo.slow PACKAGE OUT SECONDS``: the same model, but slow."""

import sys
import tempfile
from pathlib import Path

from weathervane.registry.package import read_package
from weathervane.registry.packaging import build_package
from weathervane.registry.spoil import slow_down


def main(source: Path, target: Path, extra_seconds: float) -> None:
    """Package a copy of a package whose pictures cost so much more."""
    package = read_package(source)
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch, "model")
        slow_down(source, model, extra_seconds)
        build_package(
            model,
            target,
            model=package.model,
            labels=package.labels,
            size=package.size,
            data_digest=package.data_digest,
            code_version=package.code_version,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
