"""Processes that work for a program: with the guard that Python asks for they do, without it one line says so."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import ModuleType

import pytest

from shards.base.errors import CannotStart
from shards.base.processes import no_garbage_collection, process_pool
from tests.shards.foreign_tars import img2dataset_files, write_tar

PROGRAM = """
import sys
from shards.dataset.indexing.indexer import index_tars
{guard}print("indexed", index_tars(sys.argv[1], jobs=2).num_samples)
"""


def _run(folder: Path, guard: str) -> subprocess.CompletedProcess[str]:
    program = folder.parent / "program.py"
    program.write_text(PROGRAM.format(guard=guard))
    words = [sys.executable, str(program), str(folder)]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )


def test_a_program_without_the_guard_is_told_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "tars"
    for name in ("a", "b"):
        write_tar(folder / f"{name}.tar", img2dataset_files([f"{name}0"]))
    done = _run(folder, guard="")
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and 'put its code under if __name__ == "__main__":' in lines[-1], done.stderr
    assert not [line for line in lines if "bootstrapping" in line]  # the children say nothing
    assert "dataset.json" not in os.listdir(folder)
    done = _run(folder, guard='if __name__ == "__main__": ')
    assert (done.returncode, done.stdout) == (0, "indexed 2\n"), done.stderr


def test_a_process_that_dies_at_work_is_another_matter() -> None:
    with pytest.raises(BrokenProcessPool), process_pool(1) as pool:
        pool.submit(os._exit, 3).result()


def test_processes_that_cannot_import_their_program_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = ModuleType("__main__")
    program.__file__ = str(tmp_path / "program.py")
    Path(program.__file__).write_text("raise SystemExit(1)\n")
    monkeypatch.setitem(sys.modules, "__main__", program)
    match = r"could not import the program that started them; put its code under if __name__ == "
    with pytest.raises(CannotStart, match=match), process_pool(1) as pool:
        pool.submit(os.getpid).result()


def test_no_garbage_is_collected_inside_and_again_after_an_error() -> None:
    assert gc.isenabled()
    with no_garbage_collection():
        assert not gc.isenabled()
        with no_garbage_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), no_garbage_collection():
        raise ImportError
    assert gc.isenabled()
