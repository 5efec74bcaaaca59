"""Wait for another process, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from judge import LIMIT_S, Running
from peers.protocol import Options


def is_ready(running: Running, options: Options) -> bool:
    """True if the process reached the point where it waits before it ended."""
    ready = Path(options.out + ".ready")
    return until(lambda: ready.exists() or running.process.poll() is not None) and ready.exists()


def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    stop = time.monotonic() + limit_s
    while time.monotonic() < stop:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
