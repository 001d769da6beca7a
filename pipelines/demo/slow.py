"""``python -m pipelines.demo.slow PACKAGE OUT SECONDS``: the same model, but slow."""

import sys
from pathlib import Path

from weathervane.registry.package import read_package
from weathervane.registry.spoil import slow_down


def main(source: Path, target: Path, extra_seconds: float) -> None:
    """Package a copy of a package whose pictures cost so much more."""
    slow_down(read_package(source), target, extra_seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
