"""A predictor as a process, for tests: started, found ready, and stopped."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

REVISION = "weather-00007"
_SERVES = re.compile(r"REST on (http://\S+), gRPC on (\S+)")


@dataclass
class Running:
    """A predictor that said it serves, at free ports of its own."""

    process: subprocess.Popen[str]
    rest: str  # http://host:port
    grpc: str  # host:port
    said: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.rest.rpartition(":")[2])


def command(*options: str) -> list[str]:
    # Nobody is sent here by a gateway, and stores of tests do not come back by themselves.
    quick = ("--drain-seconds", "0", "--store-seconds", "0")
    return [sys.executable, "-m", "predictor", "--revision", REVISION, *quick, *options]


@contextmanager
def running(*options: str) -> Iterator[Running]:
    """Start a predictor and wait until it serves; it is gone afterwards."""
    with subprocess.Popen(
        command("--http-port", "0", "--grpc-port", "0", *options), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if serves := _SERVES.search(line):
                break
        else:
            raise AssertionError(f"the predictor ended with {process.wait()}:\n{''.join(said)}")
        # A full pipe would stop the predictor.
        reader = threading.Thread(target=said.extend, args=(process.stderr,))
        reader.start()
        try:
            yield Running(process=process, rest=serves[1], grpc=serves[2], said=said)
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()
                reader.join()
