"""CPU time and memory of this process and of those that it started."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path


def cpu_seconds() -> float:
    """CPU time of this process and of the children that it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_mb() -> float:
    """Largest resident size since this program began (ru_maxrss would include that of the process that started it)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1e3


def held_mb(pids: list[int]) -> float:
    """MB that processes hold together: what they share counts once, files in the page cache do not count."""
    return sum(smaps_mb(pid, "Pss_Anon") + smaps_mb(pid, "Pss_Shmem") for pid in pids)


def smaps_mb(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1e3 if found else 0.0


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def children() -> list[int]:
    """Processes that this one started, and theirs."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, more = [], [os.getpid()]
    while more:
        above = more.pop()
        below = [pid for pid, parent in parents.items() if parent == above]
        found += below
        more += below
    return sorted(found)
