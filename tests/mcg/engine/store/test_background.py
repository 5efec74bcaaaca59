"""One save at a time in the background, and what goes wrong with it is told when it is waited for."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from mcg.engine.store.background import Background
from mcg.engine.store.contents import Content, Contents


def test_the_copy_is_waited_for_before_a_change_and_the_rest_goes_on_beside() -> None:
    background, go = Background(), threading.Event()
    background.wait_for_copy()  # nothing is under way
    weights = torch.zeros(3)
    seen: list[float] = []

    def work(take: Callable[[], Contents]) -> str | None:
        copied = take()
        go.wait()
        seen.append(float(copied["a"].tensors["w"].sum()))
        return "no room"

    background.start({"a": Content({"w": weights})}, work)
    background.wait_for_copy()
    weights += 1  # training goes on
    assert seen == []
    go.set()
    assert background.wait() == "no room" and seen == [0.0]
    assert background.wait() is None
    background.start({}, lambda take: str(take()))
    assert background.wait() == "{}"


def test_a_process_that_ends_during_a_save_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    script = (
        "import sys, time, torch\nfrom pathlib import Path\nfrom mcg.engine.store.background import Background\n"
        "background = Background()\n"
        "def work(take):\n"
        "    until = time.monotonic() + 1\n"
        "    while time.monotonic() < until: torch.ones(1_000_000).sum()\n"
        "    Path(sys.argv[1]).touch()\n"
        "background.start({}, work)\n"
        "sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "saved")], timeout=200, check=False)
    assert done.returncode == 7 and (tmp_path / "saved").exists()
