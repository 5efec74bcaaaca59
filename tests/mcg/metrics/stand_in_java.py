"""A program that is called as Java and does what a test wants."""

from __future__ import annotations

import sys
from pathlib import Path

_SCRIPT = """#!{python}
import json, os, signal, sys, time
if sys.argv[1:] == ["-version"]:
    sys.stderr.write('openjdk version "{version}" 2025-04-15\\nRuntime Environment\\n')
    sys.exit()
{body}
"""


def stand_in_java(folder: Path, body: str = "", version: str = "17.0.1") -> Path:
    """Write FOLDER/bin/java, which says a version and runs the lines of `body`."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_SCRIPT.format(python=sys.executable, version=version, body=body))
    path.chmod(0o755)
    return path
