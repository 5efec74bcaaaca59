"""The load and the memory of a GPU while something runs."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache


class Watch:
    """Mean load and largest memory of the GPU during the block, from nvidia-smi."""

    _NAMES = ("dec_util", "gpu_util", "gpu_mib", "jpeg_util")
    _ASKED = ("utilization.decoder", "utilization.gpu", "memory.used", "utilization.jpeg")

    def __enter__(self) -> Watch:
        self._process = None
        asked = self._ASKED if _knows(self._ASKED) else self._ASKED[:-1]  # older drivers know no use of nvJPEG
        if _knows(asked):
            command = [*_command(asked), "-lms", "200"]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.found: dict[str, float] = {}
        if self._process is None:
            return
        self._process.terminate()
        rows = [line.split(", ") for line in self._process.communicate()[0].splitlines()]
        for place, name in enumerate(self._NAMES):
            values = [float(row[place]) for row in rows if len(row) > place and row[place].strip().isdigit()]
            if values:
                self.found[name] = max(values) if name == "gpu_mib" else sum(values) / len(values)


def _command(asked: Sequence[str]) -> list[str]:
    return ["nvidia-smi", f"--query-gpu={','.join(asked)}", "--format=csv,noheader,nounits"]


@cache
def _knows(asked: Sequence[str]) -> bool:
    """True if nvidia-smi is here and answers."""
    try:
        return subprocess.run(_command(asked), capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def device_memory() -> dict[str, float]:
    """Memory of the device in use, and the part of it that torch holds; empty without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"gpu_mib": (total - free) / 2**20, "torch_mib": torch.cuda.memory_reserved() / 2**20}
