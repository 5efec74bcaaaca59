"""What a run was started with: when, on which machine, by which versions and commit; kept in its log at every start."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

_PACKAGES = ("mcg-streams", "torch", "deepspeed", "transformers", "av", "nvidia-dali-cuda130")
_ROOT = Path(__file__).resolve().parents[3]


def started(ranks: int) -> dict[str, Any]:
    """The facts of this start, plain values: of the machine of this rank, and the number of ranks of the run."""
    return {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "ranks": ranks,
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "commit": _commit(),
    }


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of a clone, with a mark where files differ from it; None for an installed package."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        made = [_git("rev-parse", "--short=12", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")]
    except (OSError, subprocess.SubprocessError):
        return None
    return made[0] + (" with changes" if made[1] else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(_ROOT), *words], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()
