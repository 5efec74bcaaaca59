"""The load and the memory of a GPU while something runs."""

from __future__ import annotations

import subprocess


class Watch:
    """Mean load and largest memory of the GPU during the block, from nvidia-smi."""

    _ASK = "utilization.decoder,utilization.gpu,memory.used"

    def __enter__(self) -> Watch:
        command = ["nvidia-smi", f"--query-gpu={self._ASK}", "--format=csv,noheader,nounits", "-lms", "200"]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except FileNotFoundError:
            self._process = None
        return self

    def __exit__(self, *_: object) -> None:
        self.found: dict[str, float] = {}
        if self._process is None:
            return
        self._process.terminate()
        rows = [line.split(", ") for line in self._process.communicate()[0].splitlines()]
        for place, name in enumerate(("dec_util", "gpu_util", "gpu_mib")):
            values = [float(row[place]) for row in rows if len(row) == 3 and row[place].strip().isdigit()]
            if values:
                self.found[name] = max(values) if name == "gpu_mib" else sum(values) / len(values)


def device_memory() -> dict[str, float]:
    """Memory of the device in use, and the part of it that torch holds; empty without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"gpu_mib": (total - free) / 2**20, "torch_mib": torch.cuda.memory_reserved() / 2**20}
