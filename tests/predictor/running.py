"""A predictor as a process, for tests: started, found ready, and stopped."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

REVISION = "weather-00007"
_SERVES = re.compile(r'REST on (http://\S+), gRPC on ([^\s"]+)')


@dataclass
class Running:
    """A predictor that said it serves, at free ports of its own."""

    process: subprocess.Popen[str]
    rest: str  # http://host:port
    grpc: str  # host:port
    said: list[str] = field(default_factory=list)
    spoke: threading.Condition = field(default_factory=threading.Condition)

    def listen(self) -> None:
        """Keep what is said from now on: a full pipe would stop the predictor."""
        assert self.process.stderr
        for line in self.process.stderr:
            with self.spoke:
                self.said.append(line)
                self.spoke.notify_all()

    @property
    def port(self) -> int:
        return int(self.rest.rpartition(":")[2])

    def await_line(self, part: str, seconds: float = 10.0) -> str:
        """The first line that holds ``part``, once it was said."""
        give_up = time.monotonic() + seconds
        with self.spoke:
            while not (found := [line for line in self.said if part in line]):
                left = give_up - time.monotonic()
                assert self.spoke.wait(left), f"not said in {seconds} s: {part}"
        return found[0]


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
        server = Running(process=process, rest=serves[1], grpc=serves[2], said=said)
        reader = threading.Thread(target=server.listen)
        reader.start()
        try:
            yield server
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()
                reader.join()
