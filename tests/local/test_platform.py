"""The platform as its user sees it: up, status, down, with every real server."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from weathervane.errors import PlatformError, StoreError
from weathervane.local import folder, processes, store_server
from weathervane.local.platform import Addresses, Platform, gateway_address
from weathervane.local.servers import await_ready, launch
from weathervane.registry.store import Store

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def two(tmp_path_factory, empty_tracking_database) -> Iterator[list[Platform]]:
    """Two platforms of two folders, brought up at the same time."""
    root = tmp_path_factory.mktemp("platforms")
    platforms = [Platform(root / name, environment={}) for name in ("one", "zwei mit Lücke")]
    try:
        for platform in platforms:
            # Making MLflow's tables takes seconds.
            (platform.state / "tracking").mkdir(parents=True)
            shutil.copy(empty_tracking_database, platform.state / "tracking" / "mlflow.db")
        with ThreadPoolExecutor() as pool:
            list(pool.map(Platform.up, platforms))
        yield platforms
    finally:
        for platform in platforms:
            processes.stop(platform.state)


def pids(platform: Platform) -> dict[str, set[int]]:
    running = processes.running(platform.state)
    return {name: {process.pid for process in found} for name, found in running.items()}


def status_of(address: str) -> int:
    return httpx.get(address, trust_env=False).status_code


def test_all_parts_are_ready_each_at_an_address_of_its_own(two):
    addresses = set()
    for platform in two:
        parts = platform.status()
        assert [(part.name, part.state) for part in parts] == [
            ("object store", "ready"),
            ("gateway", "ready"),
            ("MLflow", "ready"),
        ]
        addresses |= {part.address for part in parts}

    assert len(addresses) == 6


def test_the_gateway_says_that_nothing_is_served_yet(two):
    assert status_of(f"{two[0].addresses().gateway}/predict") == 503


def test_mlflow_answers(two):
    assert status_of(f"{two[0].addresses().tracking}/health") == 200


def test_one_platforms_keys_do_not_open_the_others_store(two):
    mine, other = (platform.store() for platform in two)
    Store(mine).ensure_bucket()

    with pytest.raises(StoreError):
        Store(replace(mine, endpoint=other.endpoint)).ensure_bucket()


def test_the_keys_are_for_this_user_only_and_not_among_the_arguments(two):
    file = two[0].state / "credentials.json"
    arguments = [
        argument
        for found in processes.running(two[0].state).values()
        for process in found
        for argument in process.cmdline()
    ]

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(two[0].store().secret_key in argument for argument in arguments)


def test_a_child_with_the_platforms_environment_finds_the_same_platform(two):
    child = Platform(two[0].state, environment=two[0].environment())

    assert child.store() == two[0].store()
    assert child.addresses() == two[0].addresses()


def test_up_again_starts_nothing(two):
    before = pids(two[0])

    two[0].up()

    assert pids(two[0]) == before


def test_up_after_a_crash_finds_what_runs_and_brings_the_rest_back_where_it_was(two):
    before, addresses = pids(two[0]), two[0].addresses()
    for name in ("store", "gateway"):
        for process in processes.find(two[0].state, name):
            process.kill()
            process.wait()

    assert two[0].up() == addresses
    after = pids(two[0])
    assert after["tracking"] == before["tracking"]
    assert after["store"].isdisjoint(before["store"])
    assert after["gateway"].isdisjoint(before["gateway"])


def test_another_port_for_a_running_gateway_is_refused(two):
    with pytest.raises(PlatformError, match="runs already"):
        two[0].up(port=free_port())


def test_down_leaves_nothing_of_its_own_and_all_of_the_other(two):
    addresses, others = two[1].addresses(), pids(two[0])

    two[1].down()

    assert pids(two[1]) == {}
    for address in (addresses.gateway, addresses.tracking, addresses.store):
        with pytest.raises(httpx.ConnectError):
            status_of(address)
    assert pids(two[0]) == others


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_is_taken_is_said_in_one_line_and_nothing_is_left(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = subprocess.run(
            [sys.executable, "-m", "weathervane.cli", "local", "up", "--port", str(port)],
            env={**os.environ, "WEATHERVANE_STATE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert command.returncode == 8
    assert command.stderr.count("\n") == 1
    assert f"port {port}" in command.stderr
    assert processes.running(tmp_path) == {}


def test_a_remembered_port_that_somebody_else_took_is_replaced(tmp_path):
    server = store_server.server(tmp_path)
    try:
        launch(tmp_path, server)
        await_ready(tmp_path, server)
        had = store_server.config(tmp_path, 1)
        book = Platform(tmp_path, environment={})
        port = int(book.store().endpoint.rpartition(":")[2])
        processes.stop(tmp_path)
        with socket.create_server(("127.0.0.1", port)):
            launch(tmp_path, server)
            await_ready(tmp_path, server)

        assert book.store().endpoint != f"http://127.0.0.1:{port}"
        assert book.store().secret_key == had.secret_key
    finally:
        processes.stop(tmp_path)


def test_a_port_that_is_lost_at_the_very_start_is_replaced(tmp_path, monkeypatch):
    server = store_server.server(tmp_path)
    thieves = []
    start = processes.start

    def start_after_a_theft(*args, sockets, **kwargs):
        if not thieves:
            thieves.append(socket.create_server(sockets[0].getsockname()))
        return start(*args, sockets=sockets, **kwargs)

    monkeypatch.setattr(processes, "start", start_after_a_theft)
    try:
        launch(tmp_path, server)
        await_ready(tmp_path, server)

        stolen = thieves[0].getsockname()[1]
        assert Platform(tmp_path, environment={}).store().endpoint != f"http://127.0.0.1:{stolen}"
    finally:
        processes.stop(tmp_path)
        for thief in thieves:
            thief.close()


def test_an_interrupted_up_leaves_nothing(tmp_path):
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Platform(tmp_path, environment={}).up(progress=interrupt)

    assert processes.running(tmp_path) == {}


def test_wrong_keys_of_a_store_elsewhere_are_said_before_anything_starts(tmp_path, store_server):
    wrong = replace(store_server, secret_key="wrong")

    with pytest.raises(StoreError, match="refuses access key"):
        Platform(tmp_path, environment=wrong.as_environment()).up()

    assert processes.running(tmp_path) == {}


def test_a_store_elsewhere_takes_the_place_of_ours(tmp_path, store_server):
    platform = Platform(tmp_path, environment=store_server.as_environment())

    def interrupt(line: str) -> None:
        assert set(processes.running(tmp_path)) == {"gateway", "tracking"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        platform.up(progress=interrupt)

    assert platform.store() == store_server


@pytest.mark.parametrize("place", ["a file/state", "a file"])
def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path, place):
    (tmp_path / "a file").write_text("in the way")

    with pytest.raises(PlatformError, match="WEATHERVANE_STATE"):
        Platform(tmp_path / place, environment={}).up()


def test_a_full_disk_is_said_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_MEBIBYTES", 10**9)

    with pytest.raises(PlatformError, match="no room left on the disk"):
        Platform(tmp_path, environment={}).up()

    assert processes.running(tmp_path) == {}


def test_without_a_platform_its_address_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(PlatformError, match="local up"):
        gateway_address(tmp_path)


def test_a_folder_without_a_platform_has_no_parts_and_can_be_taken_down(tmp_path):
    platform = Platform(Path(tmp_path, "never"), environment={})

    platform.down()

    assert platform.status() == []
    assert not platform.state.exists()


def test_addresses_are_of_loopback_only(two):
    addresses: Addresses = two[0].addresses()

    for address in vars(addresses).values():
        assert address.startswith("http://127.0.0.1:")
