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


class Forked:
    """`python WORDS`, a file, or -m and a module, and its arguments, which appends what it prints to files.

    With the methods of subprocess.Popen of the same names.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path, stdout: Path, stderr: Path
    ) -> None:
        self._process = context.Process(
            target=_become, args=(list(words), dict(environment), str(folder), (stdout, stderr))
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return code

    def kill(self) -> None:
        self._process.kill()


def call_forked(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float, ranks: int = 1
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives for `python WORDS`; with several ranks what all of them print, and the exit code of
    the first that has another one than 0.

    Raises subprocess.TimeoutExpired, the processes being killed.
    """
    places = [{}] if ranks == 1 else _places(ranks)
    ends = time.monotonic() + timeout
    with tempfile.TemporaryDirectory() as outputs:
        out, err = Path(outputs, "stdout"), Path(outputs, "stderr")
        processes = [Forked(words, {**environment, **place}, folder, out, err) for place in places]
        try:
            codes = [process.wait(max(0.0, ends - time.monotonic())) for process in processes]
        except subprocess.TimeoutExpired:
            for process in processes:
                process.kill()
                process.wait()
            raise subprocess.TimeoutExpired(list(words), timeout, out.read_bytes(), err.read_bytes()) from None
        code = next((code for code in codes if code), 0)
        return subprocess.CompletedProcess([sys.executable, *words], code, out.read_text(), err.read_text())


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
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
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
