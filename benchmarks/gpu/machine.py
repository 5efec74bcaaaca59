"""Facts about the machine, and whether its driver has a video decoder."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import time
from pathlib import Path

from gpu.check import Found

ROOT = Path(__file__).resolve().parents[2]


def machine(gpu: bool) -> Found:
    """Versions and names of the machine; prints a warning if its driver has no video decoder."""
    import nvidia.dali
    import torch

    found: Found = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "dali": nvidia.dali.__version__,
    }
    try:
        ctypes.CDLL("libnvcuvid.so.1")
        found["libnvcuvid"] = True
    except OSError as error:
        found["libnvcuvid"] = False
        print(
            f"MISSING: libnvcuvid.so.1 ({error}). This driver installation has no NVDEC (in a container: "
            "NVIDIA_DRIVER_CAPABILITIES must hold `video`); every video will be decoded on the CPU, nvJPEG still works."
        )
    if gpu:
        found["device"] = torch.cuda.get_device_name(0)
        found["driver"] = _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return found


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown ({type(error).__name__})"
