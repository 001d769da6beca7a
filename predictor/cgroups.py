"""How much of the machine's time this process was granted: what limits a container's CPU.

In: what Linux tells in ``/proc/self/cgroup`` and below ``/sys/fs/cgroup``. Out: a number of cores.
A pod with a limit of 2 on a node of 64 cores may run on all 64, and is halted for the rest of each
tenth of a second once it has used two of them for as long.

https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
https://docs.kernel.org/scheduler/sched-bwc.html
"""

from collections.abc import Iterator
from math import inf
from pathlib import Path, PurePosixPath


def granted_cores(root: Path = Path("/")) -> float:
    """The least quota of the process's cgroups, in cores; infinity without any."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return inf
    return min((quota for line in lines for quota in _quotas(root, line)), default=inf)


def _quotas(root: Path, line: str) -> Iterator[float]:
    """Quotas of one hierarchy (``number:controllers:/path``), from its cgroup to the top."""
    _, controllers, path = line.split(":", maxsplit=2)
    mounted = root / "sys/fs/cgroup"
    if controllers and "cpu" not in controllers.split(","):
        return
    # In a container the path may be that on the host, while only its own end is mounted: the top.
    inside = PurePosixPath(path.lstrip("/"))
    for place in (inside, *inside.parents):
        if controllers:
            folder = mounted / controllers / place
            yield _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))
        else:
            quota, _, period = _read(mounted / place / "cpu.max").partition(" ")
            yield _ratio(quota, period)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _ratio(quota: str, period: str) -> float:
    # "max" and -1 stand for none.
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return inf
    return int(quota) / int(period)
