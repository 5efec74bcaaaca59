"""A program that waits after one of its optimiser steps until a signal comes, so that it is not done before.

python -m tests.end_to_end.held_run STEP train.py ARGUMENT...
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from typing import Any

from mcg.engine.record.log import RunLog


def main(step: int, program: str) -> None:
    # A shell starts what is in the background with Ctrl-C ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    come, told = os.pipe()
    os.set_blocking(told, False)
    really_log = RunLog.step

    def log(self: RunLog, number: int, *arguments: Any) -> None:
        if number == step:
            signal.set_wakeup_fd(told)
        really_log(self, number, *arguments)
        if number == step:
            os.read(come, 1)

    RunLog.step = log  # type: ignore[method-assign]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    del sys.argv[0]
    main(int(sys.argv.pop(0)), sys.argv[0])
