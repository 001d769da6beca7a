"""A container's CPU limit is read from where Linux tells it, in all its forms."""

import os
from collections.abc import Mapping
from math import inf
from pathlib import Path

import pytest

from predictor import settings
from predictor.cgroups import granted_cores

POD = "kubepods.slice/pod1.slice/container.scope"


def machine(root: Path, cgroup: str, files: Mapping[str, str]) -> Path:
    for name, content in {"proc/self/cgroup": cgroup, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root


V1 = f"12:cpu,cpuacct:/{POD}\n3:memory:/{POD}\n0::/"


@pytest.mark.parametrize(
    ("cgroup", "files", "cores"),
    [
        # A container that sees only its own end of the tree, as most do.
        ("0::/", {"sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
        ("0::/", {"sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}, inf),
        ("0::/", {}, inf),
        # One that is told its path on the host.
        (f"0::/{POD}", {"sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5),
        # No container: the least of the limits on the way to the top.
        (
            f"0::/{POD}",
            {
                f"sys/fs/cgroup/{POD}/cpu.max": "400000 100000",
                "sys/fs/cgroup/kubepods.slice/cpu.max": "300000 100000",
            },
            3,
        ),
        # Version 1.
        (
            V1,
            {
                f"sys/fs/cgroup/cpu,cpuacct/{POD}/cpu.cfs_quota_us": "200000",
                f"sys/fs/cgroup/cpu,cpuacct/{POD}/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        (
            V1,
            {
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            inf,
        ),
        ("0::/", {"sys/fs/cgroup/cpu.max": "nonsense"}, inf),
        ("0::/", {"sys/fs/cgroup/cpu.max": "100000 0"}, inf),
    ],
)
def test_the_limit_is_found(tmp_path: Path, cgroup: str, files: Mapping[str, str], cores: float):
    assert granted_cores(machine(tmp_path, cgroup, files)) == cores


def test_a_machine_without_cgroups_has_no_limit(tmp_path: Path):
    assert granted_cores(tmp_path) == inf


@pytest.mark.parametrize(
    ("granted", "allowed", "cores"),
    [(inf, 64, 64), (2.0, 64, 2), (2.9, 64, 2), (0.5, 64, 1), (8, 4, 4)],
)
def test_threads_are_whole_cores_within_the_limit(
    monkeypatch: pytest.MonkeyPatch, granted: float, allowed: int, cores: int
):
    monkeypatch.setattr(settings, "granted_cores", lambda: granted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)))

    assert settings.cores() == cores
