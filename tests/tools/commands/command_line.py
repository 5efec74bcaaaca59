"""The command line of the tools as a function, and as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from tools.commands import app

ROOT = Path(__file__).resolve().parents[3]
CHEAP = ("--every", "20", "--short-side", "32")
"""Options of a profile that is made quickly."""


def invoke(verb: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [verb, *map(str, arguments)])


def command(verb: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tools", verb, *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=250)
