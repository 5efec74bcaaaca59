"""A run folder is one run's at a time: the second one says who holds it, the dead and the silent lose it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mcg.engine.store import run_lock
from mcg.engine.store.run_lock import RunLock, RunLocked, acquire, hold

_HOLD = """
import sys
from mcg.engine.store.run_lock import acquire
acquire(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def _holder(run: Path) -> subprocess.Popen[str]:
    """Another process that holds a run folder."""
    held = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None and held.stdout.readline() == "held\n"
    return held


def _elsewhere(run: Path, **fields: Any) -> Path:
    """A lock of another machine."""
    file = run / "lock"
    facts = {"host": "far", "pid": 7, "since": "2026-11-30T00:00:00+00:00", "machine": "far 1", "token": "abc"}
    file.write_text(json.dumps({**facts, **fields}))
    return file


def test_a_second_run_is_told_who_holds_the_folder_until_it_dies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = _holder(tmp_path)
    try:
        message = rf"the run of host \S+, pid {held.pid}, since 20\S+ is training there; wait for it, end it, or use"
        with pytest.raises(RunLocked, match=message), hold(tmp_path):
            pass
    finally:
        held.kill()
        held.communicate()
    with hold(tmp_path) as lock:
        assert lock is not None and json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
        lock.check()
    assert "taken over from the run of host" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_held_is_named(tmp_path: Path) -> None:
    message = r"none: cannot be written to \(No such file or directory\); make room or name"
    with pytest.raises(RunLocked, match=message), hold(tmp_path / "none"):
        pass


def test_a_later_process_with_the_pid_of_a_dead_holder_is_not_taken_for_it(tmp_path: Path) -> None:
    held = _holder(tmp_path)
    held.kill()
    held.communicate()
    file = tmp_path / "lock"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": os.getpid()}))
    acquire(tmp_path).release()


def test_a_holder_elsewhere_that_shows_life_keeps_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "TOUCH_SECONDS", 0.4)
    file = _elsewhere(tmp_path)
    ended = threading.Event()

    def live() -> None:
        while not ended.wait(0.1):
            os.utime(file)

    alive = threading.Thread(target=live)
    alive.start()
    try:
        with pytest.raises(
            RunLocked, match=r"host far, pid 7, since \S+ is training there.*if it is surely gone, remove"
        ):
            acquire(tmp_path)
    finally:
        ended.set()
        alive.join()


def test_a_holder_elsewhere_that_shows_none_loses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_lock, "TOUCH_SECONDS", 0.2)
    monkeypatch.setattr(run_lock, "STALE_SECONDS", 0.5)
    _elsewhere(tmp_path)
    acquire(tmp_path).release()
    assert "held by the run of host far, pid 7" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", '{"host": "a'])
def test_a_lock_that_is_cut_off_is_judged_by_its_age(tmp_path: Path, content: str) -> None:
    file = tmp_path / "lock"
    file.write_text(content)
    os.utime(file, (time.time() - 1000,) * 2)
    acquire(tmp_path).release()


def test_a_holder_that_lost_the_folder_learns_it(tmp_path: Path) -> None:
    lock = acquire(tmp_path)
    file = _elsewhere(tmp_path)
    with pytest.raises(RunLocked, match=r"host far, pid 7.* has taken it over meanwhile; nothing more is saved"):
        lock.check()
    lock.release()
    assert file.exists()


def test_of_many_that_start_at_once_over_a_dead_holder_one_gets_it(tmp_path: Path) -> None:
    held = _holder(tmp_path)
    held.kill()
    held.communicate()
    got: list[RunLock] = []
    refused: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        try:
            got.append(acquire(tmp_path))
        except RunLocked as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock"]
