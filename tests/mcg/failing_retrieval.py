"""A rank of a real retrieval that ends in the middle of the pairs, as a rank of `python -m mcg.evaluate` does."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import typer

from mcg.engine.config import EngineConfig
from mcg.engine.deepspeed import start_distributed
from mcg.launch.failures import told_plainly
from mcg.scoring.evaluate import evaluate
from shards.cli import one_line_errors
from tests.mcg.small_retrieval import make_retrieval, retrieval_model, split_of

_CHUNK = 3
"""The chunk of pairs in which the rank ends, of the four that each of two ranks has: of 40 pairs or 30, 9 at once."""


def end_in_the_middle(rank: int, port: int, folder: str, ending: int, how: str) -> None:
    """One of two ranks, of which number `ending` ends by "memory" (the GPU's is full) or is "killed". Writes
    FOLDER/RANK.err; the exit code is the command's."""
    os.dup2(os.open(f"{folder}/{rank}.err", os.O_CREAT | os.O_WRONLY), 2)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", closefd=False)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    try:
        with one_line_errors(), told_plainly():
            device = start_distributed(EngineConfig(hang_seconds=20.0))
            model = _ending(how) if rank == ending else retrieval_model()
            task = make_retrieval(ranking="matching", pairs_at_once=9)
            evaluate(task, model, split_of(Path(folder) / "gray"), device)
    except typer.Exit as left:
        sys.stderr.flush()
        os._exit(left.exit_code)


def _ending(how: str) -> Any:
    """The model, whose fusion ends in one of its chunks."""
    model, calls = retrieval_model(), 0
    fuse = model.fuse

    def end(text: Any, video: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == _CHUNK and how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if calls == _CHUNK:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return fuse(text, video)

    model.fuse = end
    return model
