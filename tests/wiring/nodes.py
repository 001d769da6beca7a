"""A node for the chart's pods: each container's command as a process of this machine.

In: a rendered pod, the Secrets of its namespace. Out: a process with the arguments, environment and
files that Kubernetes would give it; ports and paths are mapped, network policies left out.
"""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chart.rendering import NAMESPACE, tool

Secrets = Mapping[str, Mapping[str, str]]
# Everything runs on one machine, and perhaps other work beside it: how fast is not looked at here.
PATIENCE_SECONDS = 60.0
PATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": f"{PATIENCE_SECONDS:.0f}"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Node:
    """Runs containers below a folder; use as a context manager."""

    folder: Path
    store: int = field(default_factory=free_port)
    tracking: int = field(default_factory=free_port)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *about: object) -> None:
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            process.wait(timeout=30)

    def here(self, text: str, name: str) -> str:
        """A text of the cluster as it must read on this machine."""
        for mount in ("/data", "/tmp", "/auth", "/template"):  # noqa: S108
            for before in ("", "--certs-dir=", "sqlite:///"):
                if text.startswith(before + mount):
                    near = f"{before}{self.folder / name / mount[1:]}"
                    return near + text.removeprefix(before + mount)
        for far, near in (
            (f"weathervane-store.{NAMESPACE}.svc:9000", f"127.0.0.1:{self.store}"),
            (f"weathervane-mlflow.{NAMESPACE}.svc:5000", f"127.0.0.1:{self.tracking}"),
            ("--address=:9000", f"--address=127.0.0.1:{self.store}"),
            ("--port=5000", f"--port={self.tracking}"),
            ("--host=0.0.0.0", "--host=127.0.0.1"),
            ("/opt/predictor/bin/python", sys.executable),
        ):
            text = text.replace(far, near)
        return {"python": sys.executable}.get(text, text)

    def environment(
        self, container: Mapping[str, Any], secrets: Secrets, name: str
    ) -> dict[str, str]:
        """What the container's environment would be."""
        made: dict[str, str] = {}
        for one in container.get("envFrom") or []:
            made.update(secrets[one["secretRef"]["name"]])
        for one in container.get("env") or []:
            if "value" in one:
                made[one["name"]] = one["value"]
            elif "secretKeyRef" in one.get("valueFrom", {}):
                reference = one["valueFrom"]["secretKeyRef"]
                made[one["name"]] = secrets[reference["name"]][reference["key"]]
        # The image's own.
        image = {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
        ours = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
        return {
            **ours,
            **image,
            **PATIENT,
            **{key: self.here(value, name) for key, value in made.items()},
        }

    def start(
        self,
        name: str,
        pod: Mapping[str, Any],
        secrets: Secrets,
        *,
        more: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        config: Mapping[str, Mapping[str, str]] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start the one container of a pod; its log is a file. ``config``: what ConfigMaps hold."""
        (container,) = pod["containers"]
        for mount in container.get("volumeMounts") or []:
            (self.folder / name / mount["mountPath"][1:]).mkdir(parents=True, exist_ok=True)
        for volume in pod.get("volumes") or []:
            if "secret" in volume:
                self._write(name, container, volume, secrets)
            elif "configMap" in volume:
                (mount,) = (m for m in container["volumeMounts"] if m["name"] == volume["name"])
                for key, text in (config or {})[volume["configMap"]["name"]].items():
                    (self.folder / name / mount["mountPath"][1:] / key).write_text(text)
        told = (*container["command"], *container.get("args", ()))
        command = [*(self.here(one, name) for one in told), *more]
        if command[0] in ("minio", "weathervane"):
            ours = Path(sys.executable).with_name("weathervane")
            command[0] = tool("minio") if command[0] == "minio" else str(ours)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**self.environment(container, secrets, name), **(environment or {})},
                cwd=self.folder / name,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def serve(
        self, name: str, pod: Mapping[str, Any], secrets: Secrets, port: int, path: str, **more: Any
    ) -> None:
        """Start a pod and wait until it answers at a port; fails as soon as it has ended."""
        import httpx

        process = self.start(name, pod, secrets, **more)
        give_up = time.monotonic() + 600
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code < 500:
                    return
            except httpx.HTTPError:
                pass
            ended = process.poll() is not None or time.monotonic() > give_up
            assert not ended, f"{name} answers nothing at port {port}: {self.log(name).read_text()}"
            time.sleep(0.2)

    def run(self, name: str, pod: Mapping[str, Any], secrets: Secrets, **more: Any) -> str:
        """Run a pod to its end, which must be good; what it said."""
        code = self.ended(self.start(name, pod, secrets, **more))
        said = self.log(name).read_text()
        assert code == 0, said
        return said

    def ended(self, process: subprocess.Popen[bytes]) -> int:
        """The exit code of a container that ends by itself."""
        code = process.wait(timeout=240)
        self.running.remove(process)
        return code

    def log(self, name: str) -> Path:
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        return self.folder / f"{name}.log"

    def _write(
        self, name: str, container: Mapping[str, Any], volume: Mapping[str, Any], secrets: Secrets
    ) -> None:
        (mount,) = (m for m in container["volumeMounts"] if m["name"] == volume["name"])
        for item in volume["secret"]["items"]:
            file = self.folder / name / mount["mountPath"][1:] / item["path"]
            text = secrets[volume["secret"]["secretName"]][item["key"]]
            file.write_text("\n".join(self.here_in(line, name) for line in text.splitlines()))

    def here_in(self, line: str, name: str) -> str:
        return line.replace("////data", f"///{self.folder / name / 'data'}")


def pods_of(found: tuple[dict[str, Any], ...], kind: str, name: str) -> Mapping[str, Any]:
    (one,) = (o for o in found if o["kind"] == kind and o["metadata"]["name"] == name)
    return one["spec"] if kind == "Pod" else one["spec"]["template"]["spec"]


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
