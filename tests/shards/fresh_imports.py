"""Imported by the server of fresh.py alone: what takes long to import and starts no thread (pyarrow does)."""

from __future__ import annotations

import os
from importlib import import_module

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # libraries read them when they are loaded
for name in (
    "pytest",
    "webdataset",
    "torchdata.stateful_dataloader",
    "shards.loader.loader",
    "shards.dataset.writing.writer",
    "PIL.Image",
):
    import_module(name)
assert len(os.listdir("/proc/self/task")) == 1, "a process with threads must not fork"
