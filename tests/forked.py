"""Real processes that start at once: forked from one that has loaded torch and the engine, 6 s of CPU, already.

Each worker of pytest has one such server of `multiprocessing`. What a child prints, and how it ends, is that of a
process of its own; a test of what a start loads or prints before our first line needs `subprocess`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
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
    words: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives for `python WORDS`: a file, or -m and a module, and its arguments.

    Raises subprocess.TimeoutExpired, the process being killed.
    """
    with tempfile.TemporaryDirectory() as outputs:
        files = [str(Path(outputs, name)) for name in ("stdout", "stderr")]
        process = context.Process(target=_become, args=(list(words), dict(environment), str(folder), files))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(words), timeout, *(Path(file).read_bytes() for file in files))
        return subprocess.CompletedProcess(
            [sys.executable, *words], process.exitcode, *(Path(file).read_text() for file in files)
        )


def _become(words: list[str], environment: dict[str, str], folder: str, files: Sequence[str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in zip((1, 2), files, strict=True):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT)
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
