"""Programs that run one after the other in one process, which loads torch once.

    python -m tests.end_to_end.in_turn COMMANDS.json DONE.json

COMMANDS.json holds what follows `python` for each; DONE.json gets code, stdout and stderr of each.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.end_to_end.small_runs import ROOT, TIMEOUT_SECONDS, call


def call_all(commands: Sequence[Sequence[str]], home: Path | None = None) -> list[subprocess.CompletedProcess[str]]:
    """What `call` gives for each of these commands of this interpreter, which come without it."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "commands.json"), Path(folder, "done.json")
        given.write_text(json.dumps([list(map(str, command)) for command in commands]))
        words = [sys.executable, "-m", "tests.end_to_end.in_turn", str(given), str(found)]
        done = call(words, timeout=len(commands) * TIMEOUT_SECONDS, home=home)
        assert done.returncode == 0, done.stderr
        results = json.loads(found.read_text())
    return [subprocess.CompletedProcess(command, *result) for command, result in zip(commands, results, strict=True)]


def _run(words: list[str]) -> int:
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _run_apart(words: list[str], folder: Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    files = folder / "stdout", folder / "stderr"
    streams = sys.stdout, sys.stderr
    kept = [os.dup(number) for number in (1, 2)]
    for number, file in zip((1, 2), files, strict=True):
        with open(file, "wb") as opened:
            os.dup2(opened.fileno(), number)
    code = _run(words)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    sys.stdout, sys.stderr = streams
    for number, before in zip((1, 2), kept, strict=True):
        os.dup2(before, number)
        os.close(before)
    return code, files[0].read_text(), files[1].read_text()


def _main(given: Path, found: Path) -> None:
    found.write_text(json.dumps([_run_apart(words, found.parent) for words in json.loads(given.read_text())]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
