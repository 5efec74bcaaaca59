"""However a loader ends (close, exception, collection, signals, kill -9), nothing of it is left: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from shards.loader.loader import Loader
from tests.shards.conftest import REPOSITORY
from tests.shards.small_dataset import config, encode, sequence, write_dataset

PROGRAM = """
import atexit, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what it puts into the background without it
from pathlib import Path
from shards import Loader
from tests.shards.small_dataset import config, encode, seen
encoded = []
def slow(sample, rng):
    encoded.append(sample.origin.key)
    if len(encoded) > 8:
        time.sleep(0.01)
    return encode(sample, rng)
atexit.register(lambda: print("encoded", len(encoded), flush=True))
loader = Loader(config(("cc", Path(sys.argv[1])), threads=2, prefetch_batches=64), 0, 1, slow, Path(sys.argv[2]))
next(loader)
"""
FOREVER = "print('ready', os.getpid(), flush=True)\nfor batch in loader: pass\n"


@pytest.fixture(scope="module")
def cc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """19 samples in 4 shards, 38 records."""
    return write_dataset(tmp_path_factory.mktemp("cc"), "cc", 19)


@pytest.fixture(scope="module")
def singles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 samples of one record; several of one sample would be one piece of work of a thread."""
    return write_dataset(tmp_path_factory.mktemp("singles"), "cc", 64, records_of=(1,))


class Run:
    """A process in a session and with a folder for temporary files of its own."""

    def __init__(self, cc: Path, folder: Path, code: str) -> None:
        self.places = [cc, folder]
        self.before = self.files()
        environment = os.environ | {"TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(cc), str(folder / "ledger.jsonl")],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def files(self) -> set[Path]:
        return {path for place in self.places for path in place.rglob("*")}

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def left(self) -> tuple[list[int], set[Path]]:
        """Processes of its session and files that were not there before."""
        return session(self.process.pid), self.files() - self.before


def session(leader: int) -> list[int]:
    found = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == leader and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


@contextmanager
def started(cc: Path, folder: Path, code: str) -> Iterator[Run]:
    run = Run(cc, folder, code)
    try:
        yield run
    finally:
        for pid in session(run.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        run.process.kill()
        run.process.communicate()


HELD = """
import threading
ending, join = threading.Event(), threading.Thread.join
def told(self, timeout=None):
    ending.set()  # what has begun may end, now that its end is waited for and nothing more may begin
    join(self, timeout)
    threading.Event().wait(0.05)  # time for whoever goes on although it should not
threading.Thread.join = told
"""


@pytest.mark.parametrize(
    ("ending", "code", "error"),
    [
        ("", 0, ""),
        ("loader.close()", 0, ""),
        ("with loader:\n    raise KeyError('mine')", 1, "KeyError: 'mine'"),
        ("raise KeyError('mine')", 1, "KeyError: 'mine'"),
        ("sys.exit(7)", 7, ""),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
@pytest.mark.parametrize("pace", ["", "time.sleep(0.001); "], ids=["one thread decodes", "both decode"])
def test_a_process_ends_at_once_and_leaves_nothing(
    singles: Path, tmp_path: Path, ending: str, code: int, error: str, pace: str
) -> None:
    program = HELD + PROGRAM.replace("time.sleep(0.01)", "ending.wait()") + ending
    program = program.replace("encoded.append", f"{pace}encoded.append")
    with started(singles, tmp_path, program) as run:
        out, errors = run.process.communicate(timeout=250)
        assert run.process.returncode == code and error in errors
        assert bool(error) == bool(errors), errors
        assert run.left() == ([], set())
    # The first batch has 8, and two threads have begun with one each of the 512 elements that are planned ahead: the
    # others are not worth waiting for.
    assert out.startswith("encoded ") and 8 <= int(out.split()[1]) <= 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_it_and_leaves_nothing(cc: Path, tmp_path: Path, number: signal.Signals) -> None:
    with started(cc, tmp_path, PROGRAM + FOREVER) as run:
        assert run.line()[0] == "ready"
        assert psutil.Process(run.process.pid).num_threads() > 2
        run.process.send_signal(number)
        _, errors = run.process.communicate(timeout=250)
        assert run.process.returncode == -number
        assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)
        assert run.left() == ([], set())


def test_a_handler_of_sigterm_may_leave_the_loop_in_an_orderly_way(cc: Path, tmp_path: Path) -> None:
    handler = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
    with started(cc, tmp_path, handler + PROGRAM + FOREVER) as run:
        assert run.line()[0] == "ready"
        run.process.terminate()
        _, errors = run.process.communicate(timeout=250)
        assert (run.process.returncode, errors) == (75, "")
        assert run.left() == ([], set())


def test_a_rank_does_not_outlive_a_launcher_that_is_killed_while_it_feeds_it(cc: Path, tmp_path: Path) -> None:
    """The rank itself may go on (a loader has no say in that), but it starts nothing that could outlive the rank."""
    rank = PROGRAM + "for batch in loader: print(seen(batch), flush=True)\n"
    launcher = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {rank!r}, *sys.argv[1:]], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nprint('ready', child.pid, flush=True)\nfor line in child.stdout: pass\n"
    )
    with started(cc, tmp_path, launcher) as run:
        _, child = run.line()
        assert sorted(session(run.process.pid)) == sorted([run.process.pid, int(child)])
        run.process.kill()
        run.process.wait(250)
        until, pause = time.monotonic() + 60, threading.Event()
        while session(run.process.pid) and time.monotonic() < until:
            pause.wait(0.01)
        assert run.left() == ([], set())


# Here a process is forked that has threads, because a user may do so, and the loader has to refuse it. The process is
# one of its own, its threads have nothing to do at that moment (a lock that one held would stay locked in the fork),
# and its forks only ask the loader and end.
FORK = """
def in_fork(use, num_batches=1):
    while len(encoded) < 8 * (num_batches + 2):  # and those made ahead
        time.sleep(0.001)
    time.sleep(0.05)
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            use()
            text = "fine"
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os.close(write)
        sys.exit(0)
    os.close(write)
    text = b""
    while piece := os.read(read, 1 << 16):
        text += piece
    return text.decode(), os.waitpid(pid, 0)[1]
"""


def test_a_loader_in_use_is_refused_in_a_fork_and_goes_on_in_its_own_process(cc: Path, tmp_path: Path) -> None:
    code = (
        PROGRAM.replace("prefetch_batches=64", "prefetch_batches=2, fetch_batches=0")
        + FORK
        + """
state = loader.state_dict()
print(in_fork(lambda: next(loader)), flush=True)
def close():
    assert loader.state_dict() == state
    loader.close()
print(in_fork(close), flush=True)
def drop():
    global loader
    del loader
print(in_fork(drop), flush=True)
print(seen(next(loader)), flush=True)
unused = Loader(config(("cc", Path(sys.argv[1]))), 0, 1, encode)
print(in_fork(lambda: unused.load_state_dict(state) or os.write(1, f"{seen(next(unused))}\\n".encode()), 2), flush=True)
loader.close()
"""
    )
    with started(cc, tmp_path, code) as run:
        out, errors = run.process.communicate(timeout=250)
        assert (run.process.returncode, errors) == (0, "")
        lines = [line for line in out.splitlines() if not line.startswith("encoded")]
        assert run.left() == ([], set())
    assert lines[0].startswith("('ValueError: this loader was started in process ")
    assert "a fork of it: its threads stayed behind; make the Loader in the process that uses it', 0)" in lines[0]
    assert lines[1:3] == ["('fine', 0)"] * 2
    assert lines[3] == lines[4] and lines[5] == "('fine', 0)"
    with Loader(config(("cc", cc)), 0, 1, encode) as loader:
        assert str(sequence([loader], 2)[1]) == lines[3]


def test_an_exception_in_the_consumer_leaves_no_thread_and_the_position_before_the_next_batch(cc: Path) -> None:
    with Loader(config(("cc", cc)), 0, 1, encode) as loader:
        expected = sequence([loader], 3)
    with pytest.raises(KeyError, match="mine"), Loader(config(("cc", cc)), 0, 1, encode) as loader:
        for number, _ in enumerate(loader):
            if number == 1:
                raise KeyError("mine")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("shards-loader")]
    state = json.loads(json.dumps(loader.state_dict()))
    with Loader(config(("cc", cc)), 0, 1, encode) as loader:
        loader.load_state_dict(state)
        assert sequence([loader], 1) == expected[2:]
