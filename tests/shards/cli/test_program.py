"""Programs start alike: completion is on, and an error that nobody caught cannot steer a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = r"""
from shards.cli.program import start_command

def command(text: str) -> None:
    raise KeyError(text)

start_command(command, "python -m command")
"""


def _run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **variables}
    return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=250)


def test_what_nobody_caught_is_printable(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = _run(sys.executable, str(tmp_path / "program.py"), "\x1b[31m")
    assert done.returncode == 1 and "\\x1b[31m" in done.stderr and "\x1b" not in done.stderr
    shown = _run(sys.executable, str(tmp_path / "program.py"), "--help").stdout
    assert "Usage: python -m command" in shown and "--install-completion" in shown


@pytest.mark.parametrize(
    ("name", "module", "typed", "completed"),
    [("shards", "shards.cli.app", "ver", "verify"), ("shards-tools", "tools.commands", "trans", "transcode")],
)
def test_the_programs_complete_what_is_typed(name: str, module: str, typed: str, completed: str) -> None:
    """Asked as bash asks, so that it does not matter in which shell the tests run."""
    asked = {
        f"_{name.upper().replace('-', '_')}_COMPLETE": "complete_bash",
        "COMP_WORDS": f"{name} {typed}",
        "COMP_CWORD": "1",
    }
    code = f"import sys; sys.argv = ['{name}']; from {module} import main; main()"
    answer = _run(sys.executable, "-c", code, **asked)
    assert answer.stdout.split() == [completed], answer.stderr
