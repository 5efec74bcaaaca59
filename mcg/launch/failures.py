"""Errors of the libraries that train, in one line with what to do: torch, DeepSpeed, gloo, NCCL, safetensors, the disk.

What is known is raised as TrainingFailed, which commands print without a traceback; what is not stays as it is, and is
shown as a bug. In both cases the other ranks hear of it, and so end at once (mcg/launch/watch.py).
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shards.base import PrintableError

_LONGEST = 400
_COMMUNICATION = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL", "ncclSystemError")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class TrainingFailed(PrintableError, RuntimeError):
    """An error of a library or of the machine that ended a run."""


@contextmanager
def told_plainly() -> Iterator[None]:
    """Raise what is known as TrainingFailed, and let the other ranks know of every error. Loads no torch by itself."""
    try:
        yield
    except BaseException as error:
        if "torch" not in sys.modules or isinstance(error, SystemExit):
            raise
        from mcg import distributed

        if isinstance(error, Exception) and is_communication(error):
            distributed.await_verdict()  # the one that is lost is known in seconds, and then this process ends here
        plain = None if isinstance(error, PrintableError) or not isinstance(error, Exception) else explain(error)
        told = error if plain is None else TrainingFailed(plain)
        distributed.leave(told)
        if plain is None:
            raise
        raise told from error


def explain(error: Exception) -> str | None:
    """What an error means and what to do; None for one that is not known."""
    import torch

    text = str(error)
    first = (text.strip().splitlines() or [type(error).__name__])[0][:_LONGEST]
    if isinstance(error, torch.OutOfMemoryError):
        return (
            f"the memory of the GPU is full: {first} Lower data.train.batch_size (engine.accumulation_steps makes up "
            "for it), set engine.activation_checkpointing: true, or raise engine.zero_stage; in evaluation lower the "
            "batch_size of the split, in retrieval task.pairs_at_once"
        )
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text:
        return (
            f"the memory of this machine is full: {first}; lower data.train.batch_size, prefetch or the number of "
            "processes on it"
        )
    if isinstance(error, OSError):
        return _of_the_disk(error)
    if "PytorchStreamWriter" in text or "inline_container" in text or "No space left on device" in text:
        return f"a checkpoint could not be written, most likely as the disk is full: {first}; {_AFTER_DISK}"
    if is_communication(error):
        return f"the connection to another rank broke: {first}; look at the output of the other ranks for the cause"
    if isinstance(error, torch.AcceleratorError):
        return (
            f"the GPU fails: {first}; look at nvidia-smi and dmesg, and start again elsewhere; if the same step fails "
            "there, CUDA_LAUNCH_BLOCKING=1 and --debug show where"
        )
    module = type(error).__module__
    if module.startswith(("safetensors", "builtins.safetensors")) or type(error).__name__ == "SafetensorError":
        return f"a file of weights cannot be read or written: {first}; {_AFTER_DISK}"
    if "Error building extension" in text or "Ninja is required" in text or type(error).__name__ == _MISMATCH:
        return (
            f"DeepSpeed cannot compile an operator: {first}; it needs g++ and ninja, on a GPU nvcc of torch's CUDA "
            "version; engine.offload_optimizer: false needs none"
        )
    if "loss scale already at minimum" in text:
        return (
            "the gradient is not finite at the smallest scale of the loss; lower optim.lr, or train with "
            "engine.precision: bf16 or fp32, which tells the batch"
        )
    if module.startswith("deepspeed") or (module.startswith("pydantic") and _raised_in(error, "/deepspeed/")):
        return f"DeepSpeed refuses its settings: {' '.join(text.split())[:_LONGEST]}; look at engine in the config"
    return None


_MISMATCH = "CUDAMismatchException"
_AFTER_DISK = "free some space or mend the disk; the same command goes on from the last checkpoint"


def is_communication(error: Exception) -> bool:
    """Another rank, or the way to it, is what failed."""
    import torch.distributed

    if isinstance(error, torch.distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(name in str(error) for name in _COMMUNICATION)


def _of_the_disk(error: OSError) -> str | None:
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _FULL:
        return f"{place}the disk is full ({error.strerror}); {_AFTER_DISK}"
    if error.errno == errno.EROFS:
        return f"{place}the disk can only be read; give another run_dir"
    if error.errno in (errno.EIO, errno.ESTALE):
        return f"{place}the disk fails ({error.strerror}); {_AFTER_DISK}"
    return None


def _raised_in(error: Exception, part: str) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if part in trace.tb_frame.f_code.co_filename:
            return True
        trace = trace.tb_next
    return False
