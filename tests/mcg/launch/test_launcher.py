"""A rank ends when a launcher above it is killed; what was started by hand does not know launchers."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mcg.launch.launcher import end_with_launcher
from tests.end_to_end.small_runs import environment

ROOT = Path(__file__).resolve().parents[3]
RANK = """
import json, os, signal, sys, threading, time
from mcg.launch.launcher import end_with_launcher

def stop(*_):
    print("stopped", flush=True)
    sys.exit(75)

signal.signal(signal.SIGTERM, stop)
end_with_launcher()
print(json.dumps([os.getpid(), os.getppid(), [thread.name for thread in threading.enumerate()]]), flush=True)
while True:
    time.sleep(0.05)  # signal.pause would miss a signal that comes just before it
"""
STARTER = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Processes to end after the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _start(
    folder: Path, names: Sequence[str], started: list[int], **variables: str
) -> tuple[subprocess.Popen[str], int, list[str]]:
    """A chain of starters of these names with a rank below: (the first, the pid of the last, the rank's threads)."""
    for name in names:
        (folder / name).write_text(STARTER)
    (folder / "rank.py").write_text(RANK)
    first = subprocess.Popen(
        [sys.executable, *(str(folder / name) for name in names), str(folder / "rank.py")],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment(), "PYTHONPATH": str(ROOT), **variables},
    )
    assert first.stdout is not None
    rank, parent, threads = json.loads(first.stdout.readline())
    started += [first.pid, parent, rank]
    return first, parent, threads


@pytest.mark.parametrize("killed", ["first", "last"])
@pytest.mark.parametrize("names", [["torchrun"], ["deepspeed", "torchrun"]])
def test_a_rank_ends_when_a_launcher_is_killed(
    tmp_path: Path, started: list[int], names: list[str], killed: str
) -> None:
    first, parent, threads = _start(tmp_path, names, started, CROSS_RANK="0")
    assert threads == ["MainThread", "launcher"]
    os.kill(first.pid if killed == "first" else parent, signal.SIGKILL)
    assert first.stdout is not None
    assert first.stdout.readline() == "stopped\n"
    first.communicate()


@pytest.mark.parametrize(
    ("names", "variables"),
    [(["start.py"], {"CROSS_RANK": "0"}), (["torchrun"], {}), (["start.py"], {"RANK": "0", "WORLD_SIZE": "1"})],
)
def test_what_was_started_by_hand_watches_nobody(
    tmp_path: Path, started: list[int], names: list[str], variables: dict[str, str]
) -> None:
    _, _, threads = _start(tmp_path, names, started, **variables)
    assert threads == ["MainThread"]


def test_only_launchers_next_to_each_other_are_watched(tmp_path: Path, started: list[int]) -> None:
    """A shell or a queue between them may end as it likes."""
    first, _, threads = _start(tmp_path, ["torchrun", "shell", "deepspeed"], started, TORCHELASTIC_RUN_ID="x")
    assert threads == ["MainThread", "launcher"]
    first.kill()
    first.wait()
    os.kill(started[-1], 0)  # lives


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/v/bin/python -u -m deepspeed.launcher.launch --world_info=e30= train.py", True),
        ("/v/bin/python /v/bin/deepspeed --num_accelerators 2 train.py", True),
        ("python3 -m torch.distributed.run --nproc-per-node 2 train.py", True),
        ("torchrun --standalone train.py", True),
        ("/bin/bash", False),
        ("bash -c deepspeed train.py", False),
        ("/v/bin/python train.py run_dir=/runs/deepspeed torchrun", False),
        ("", False),
    ],
)
def test_launchers_are_known_by_their_command(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, command: str, expected: bool
) -> None:
    words = command if command.startswith("bash -c") else command.replace(" ", "\0") + "\0"
    _be_started_by(monkeypatch, words.replace("bash -c ", "bash\0-c\0", 1))
    monkeypatch.setattr(os, "pidfd_open", _refuse)
    with caplog.at_level(logging.WARNING):
        end_with_launcher()
    assert ("the launcher cannot be watched" in caplog.text) is expected


def _be_started_by(monkeypatch: pytest.MonkeyPatch, words: str, parent: int = 7) -> None:
    """Let the system say that this process, in a launcher's environment, is the child of a command."""
    read = Path.read_text
    monkeypatch.setenv("CROSS_RANK", "0")
    monkeypatch.setattr(os, "getppid", lambda: parent)
    monkeypatch.setattr(
        Path, "read_text", lambda self, **given: words if self.name == "cmdline" else read(self, **given)
    )


def _refuse(pid: int) -> int:
    raise PermissionError(1, "Operation not permitted")


def _gone(pid: int) -> int:
    raise ProcessLookupError


@pytest.mark.parametrize(("words", "parent"), [("", 1), ("torchrun\0", 7)])
def test_a_launcher_that_is_gone_already_ends_the_process_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, words: str, parent: int
) -> None:
    sent: list[tuple[int, int]] = []
    _be_started_by(monkeypatch, words, parent)
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(os, "pidfd_open", _gone)
    with caplog.at_level(logging.WARNING):
        end_with_launcher()
    assert sent == [(os.getpid(), signal.SIGTERM)] and "the launcher ended" in caplog.text


def test_a_system_that_cannot_watch_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    _be_started_by(monkeypatch, "torchrun\0")
    monkeypatch.setattr(os, "pidfd_open", _refuse)
    with caplog.at_level(logging.WARNING):
        end_with_launcher()
    assert "the launcher cannot be watched ([Errno 1] Operation not permitted)" in caplog.text
