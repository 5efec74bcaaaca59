"""Processes that tests start, and kill at any moment; none is a fork of a process that has threads.

Such a fork may copy a lock that another thread holds, and then waits for it without end; pytest has threads. The server
that FRESH forks from has one thread, and has imported what takes long (fresh_imports.py), so that each starts at once.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["tests.shards.fresh_imports"])


def run_fresh(work: Callable[..., None], *arguments: Any) -> int:
    """Run in a process of its own; returns its exit code, minus the signal when it was killed."""
    child = FRESH.Process(target=work, args=arguments)
    child.start()
    child.join(250)
    assert child.exitcode is not None
    return child.exitcode
