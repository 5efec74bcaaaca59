"""Real processes that start at once: forked from one that has loaded torch and the engine, 6 s of CPU, already.

Each worker of pytest has one such server of `multiprocessing`. What a child prints, and how it ends, is that of a
process of its own; a test of what a start loads or prints before our first line needs `subprocess`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.multiprocessing

_LOADED = ["mcg.engine.deepspeed", "mcg.engine.saving", "mcg.model.mcg", "mcg.convert.start", "mcg.uses", "mcg.scoring"]

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(_LOADED)


def run_ranks(function: Callable[..., None], arguments: tuple[Any, ...], world: int) -> None:
    """`function(rank, *arguments)` in so many processes; the first one that fails ends the others and raises here."""
    torch.multiprocessing.start_processes(function, arguments, nprocs=world, start_method="forkserver")


def call_forked(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float, ranks: int = 1
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives for `python WORDS`: a file, or -m and a module, and its arguments; with several ranks
    what all of them print, and the exit code of the first that has another one than 0.

    Raises subprocess.TimeoutExpired, the processes being killed.
    """
    own = [dict(environment)] if ranks == 1 else [{**environment, **place} for place in _places(ranks)]
    ends = time.monotonic() + timeout
    with tempfile.TemporaryDirectory() as outputs:
        files = [Path(outputs, name) for name in ("stdout", "stderr")]
        for file in files:
            file.touch()
        processes = [context.Process(target=_become, args=(list(words), each, str(folder), files)) for each in own]
        for process in processes:
            process.start()
        for process in processes:
            process.join(max(0.0, ends - time.monotonic()))
        codes = [process.exitcode for process in processes]
        if None in codes:
            for process in processes:
                process.kill()
                process.join()
            raise subprocess.TimeoutExpired(list(words), timeout, *(file.read_bytes() for file in files))
        code = next((code for code in codes if code), 0)
        return subprocess.CompletedProcess([sys.executable, *words], code, *(file.read_text() for file in files))


def _places(ranks: int) -> list[dict[str, str]]:
    """What torchrun sets for each rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(ranks)}
    shared["LOCAL_WORLD_SIZE"] = str(ranks)
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]


def _become(words: list[str], environment: dict[str, str], folder: str, files: Sequence[Path]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in zip((1, 2), files, strict=True):
        opened = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.path.insert(0, folder)
    try:
        if words[0] == "-m":
            sys.argv = list(words[1:])
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(words)
            runpy.run_path(words[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()
