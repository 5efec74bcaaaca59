"""Errors of libraries become one line with a remedy; bugs stay bugs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import safetensors
import torch
from safetensors.torch import load_file

from mcg.launch.failures import TrainingFailed, explain, is_communication, told_plainly
from shards.base import ConfigError

ENOSPC = OSError(errno.ENOSPC, "No space left on device", "/runs/a/log.jsonl")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            "GPU is full.*batch_size.*zero_sta",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "memory of this machine",
        ),
        (MemoryError(), "memory of this machine is full: MemoryError; lower data.train.batch_size"),
        (ENOSPC, "/runs/a/log.jsonl: the disk is full .*; free some space.*the same command goes on"),
        (OSError(errno.EROFS, "Read-only file system", "/r"), "/r: the disk can only be read; give another run_dir"),
        (OSError(errno.ESTALE, "Stale file handle", "/r"), "/r: the disk fails"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "disk is full"),
        (
            RuntimeError("[/pytorch/third_party/gloo/pair.cc:538] Connection closed by peer [::1]:1"),
            "another rank broke",
        ),
        (torch.distributed.DistBackendError("NCCL error in: x.cpp:1"), "connection to another rank broke: NCCL error"),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), "GPU fails.*nvidia-smi"),
        (safetensors.SafetensorError("Error while deserializing header"), "file of weights.*deserializing header"),
        (RuntimeError("Error building extension 'cpu_adam'"), "DeepSpeed cannot compile an operator.*g\\+\\+"),
        (
            type("DeepSpeedConfigError", (Exception,), {"__module__": "deepspeed.x"})("no\n key"),
            "settings: no key; look",
        ),
    ],
)
def test_what_libraries_say_is_told_in_one_line_with_what_to_do(error: Exception, text: str) -> None:
    with pytest.raises(TrainingFailed, match=text) as found, told_plainly():
        raise error
    assert "\n" not in str(found.value) and found.value.__cause__ is error


def test_a_real_file_of_weights_that_is_broken_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(os.urandom(100))
    with pytest.raises(TrainingFailed, match="a file of weights cannot be read or written"), told_plainly():
        load_file(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "error", [RuntimeError("shape mismatch"), KeyError("x"), AssertionError(), PermissionError(13)]
)
def test_what_is_not_known_stays_as_it_is(error: Exception) -> None:
    assert explain(error) is None
    with pytest.raises(type(error)) as found, told_plainly():
        raise error
    assert found.value is error


def test_our_own_errors_keep_their_text() -> None:
    with pytest.raises(ConfigError, match=r"^optim\.lr: gloo$"), told_plainly():
        raise ConfigError("optim.lr: gloo")
    assert is_communication(torch.distributed.DistNetworkError("x")) and not is_communication(ValueError("gloo"))
