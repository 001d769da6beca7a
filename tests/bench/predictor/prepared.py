"""What a run needs and keeps for the next: MLServer's environment, and the package.

Both lie in ``.cache/bench`` of the repository, and are made again when what makes them changed.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from weathervane.registry.package import Package, read_package

_HERE = Path(__file__).parent
_CACHE = _HERE.parents[2] / ".cache" / "bench"


def mlserver_python() -> Path:
    """The Python of an environment with exactly what ``mlserver.txt`` lists."""
    uv = Path(sys.executable).with_name("uv")
    folder = _CACHE / "mlserver"
    python = folder / "bin" / "python"
    subprocess.run(
        [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder], check=True
    )
    requirements = _HERE / "mlserver.txt"
    subprocess.run(
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, requirements],
        check=True,
    )
    return python


def package() -> Package:
    """The package that is measured."""
    script = hashlib.sha256((_HERE / "package.py").read_bytes()).hexdigest()[:12]
    folder = _CACHE / f"package-{script}"
    if not folder.exists():
        module = "tests.bench.predictor.package"
        subprocess.run([sys.executable, "-m", module, str(folder)], check=True)
    return read_package(folder)
