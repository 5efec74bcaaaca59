"""The facts of a start are plain, and those of this machine and commit."""

from __future__ import annotations

import json
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

from mcg.engine.record.started import started

ROOT = Path(__file__).resolve().parents[4]


def test_a_start_tells_the_machine_the_versions_and_the_commit() -> None:
    found = started(4)
    assert json.loads(json.dumps(found)) == found
    assert (found["host"], found["ranks"], found["versions"]["torch"]) == (socket.gethostname(), 4, version("torch"))
    assert found["cores"] >= 1 and found["cpu"] and found["memory_gib"] > 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if head.returncode == 0:
        assert head.stdout.startswith(found["commit"].removesuffix(" with changes"))
