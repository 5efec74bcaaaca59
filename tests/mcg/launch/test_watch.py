"""A rank that dies, stops, deadlocks or fails brings the others down, each of which names it; healthy ones end well.

Three real processes with a store, forked from this one, and without a group: what they would wait for in a collective
is here a lock that nobody opens.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from mcg.launch import watch as module
from mcg.launch.meeting import meet
from mcg.launch.ranks import Place
from mcg.launch.watch import Watch

WORLD = 3
HANG = 2.0
Job = Callable[..., "Ranks"]


class Ranks:
    """Processes of a run that never ends by itself, until `finish` is touched."""

    def __init__(self, folder: Path, hang: float, stuck: int | None, failing: int | None) -> None:
        self.folder = folder
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        fork = multiprocessing.get_context("fork")
        self.processes: list[BaseProcess] = []
        for rank in range(WORLD):
            place = Place(rank, WORLD, rank, "127.0.0.1", port)
            arguments = (folder, place, hang, stuck == rank, failing == rank)
            self.processes.append(fork.Process(target=_rank, args=arguments))
            self.processes[-1].start()
        if stuck is None and failing is None:
            self.await_step(25)  # several signs of life have been given

    def await_step(self, step: int) -> None:
        while not all((self.folder / f"{rank}-{step}").exists() for rank in range(WORLD)):
            time.sleep(0.02)

    def send(self, rank: int, number: int) -> None:
        pid = self.processes[rank].pid
        assert pid is not None
        os.kill(pid, number)

    def said(self, rank: int) -> str:
        """What a rank wrote until its end, which is with exit code 1."""
        self.processes[rank].join(60)
        assert self.processes[rank].exitcode == 1, (self.folder / f"{rank}.err").read_text()
        return (self.folder / f"{rank}.err").read_text()


def _rank(folder: Path, place: Place, hang: float, stuck: bool, failing: bool) -> None:
    os.dup2(os.open(folder / f"{place.rank}.err", os.O_CREAT | os.O_WRONLY), 2)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", closefd=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    watch = Watch(meet(place, 60, {}), place.rank, hang, startup_seconds=60)
    watch.start()
    step = 0
    while not (folder / "finish").exists():
        step += 1
        watch.doing("training", f"step {step}")
        (folder / f"{place.rank}-{step}").touch()
        if step >= 5 and stuck:
            _deadlock()
        if step == 5 and failing:
            watch.close(ValueError("the disk is full"))
            os._exit(1)
        _wait_for_the_others(folder, step)
    watch.close()
    os._exit(0)


def _deadlock() -> None:
    threading.Event().wait()


def _wait_for_the_others(folder: Path, step: int) -> None:
    """As a collective does."""
    while not all((folder / f"{rank}-{step}").exists() for rank in range(WORLD)):
        if (folder / "finish").exists():
            return
        time.sleep(0.02)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    jobs: list[Ranks] = []

    def start(hang: float = HANG, stuck: int | None = None, failing: int | None = None) -> Ranks:
        jobs.append(Ranks(tmp_path, hang, stuck, failing))
        return jobs[0]

    yield start
    for process in jobs[0].processes:
        process.kill()
        process.join()


def test_a_stopped_rank_is_named_by_the_others_and_ends_when_it_goes_on(job: Job) -> None:
    ranks = job()
    ranks.send(1, signal.SIGSTOP)
    for rank in (0, 2):
        said = ranks.said(rank)
        assert f"error: rank 1 of 3 ({socket.gethostname()}, pid {ranks.processes[1].pid}): no sign of" in said
        assert "; it last did: training step " in said and said.count("error: ") == 1
        assert f"rank {rank} ({socket.gethostname()}, pid {ranks.processes[rank].pid}) ends, which did: train" in said
    ranks.send(1, signal.SIGCONT)
    ranks.said(1)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_rank_0_which_holds_the_store_is_named(job: Job, number: signal.Signals) -> None:
    ranks = job()
    ranks.send(0, number)
    for rank in (1, 2):
        assert "error: rank 0 of 3 (" in ranks.said(rank)


@pytest.mark.long
def test_a_killed_rank_is_named(job: Job) -> None:
    ranks = job()
    ranks.send(2, signal.SIGKILL)
    for rank in (0, 1):
        assert "error: rank 2 of 3 (" in ranks.said(rank)


def test_a_rank_in_a_deadlock_is_told_from_those_that_wait_for_it(job: Job) -> None:
    ranks = job(stuck=2)
    for rank in (0, 1, 2):
        said = ranks.said(rank)
        assert "error: rank 2 of 3 (" in said and "no progress for" in said and "training step 5" in said
        assert "_deadlock" in said
        assert ("Current thread 0x" in said) is (rank == 2)  # the stacks of the one that hangs


def test_a_rank_that_ends_by_an_error_takes_the_others_along_at_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_TICK", 0.2)
    ranks = job(hang=600, failing=1)
    for rank in (0, 2):
        assert "error: rank 1 of 3 (" in (said := ranks.said(rank))
        assert "ended by ValueError: the disk is full" in said


@pytest.mark.long
def test_sigterm_ends_ranks_that_wait_for_a_stopped_one(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGTERM_SECONDS", 1.0)
    monkeypatch.setattr(module, "_LONGEST_TICK", 0.2)
    ranks = job(hang=600)
    ranks.send(1, signal.SIGSTOP)
    ranks.send(2, signal.SIGTERM)
    for rank in (0, 2):
        assert "error: rank 1 of 3 (" in ranks.said(rank)


@pytest.mark.long
def test_a_job_that_is_suspended_as_a_whole_goes_on(job: Job) -> None:
    ranks = job(hang=1.5)
    for rank in range(WORLD):
        ranks.send(rank, signal.SIGSTOP)
    time.sleep(3)  # twice what a single rank is given
    for rank in range(WORLD):
        ranks.send(rank, signal.SIGCONT)
    reached = max(int(path.name.partition("-")[2]) for path in ranks.folder.glob("0-*"))
    ranks.await_step(reached + 20)
    (ranks.folder / "finish").touch()
    for process in ranks.processes:
        process.join(60)
        assert process.exitcode == 0, [path.read_text() for path in ranks.folder.glob("*.err")]


def test_what_takes_long_by_habit_is_given_its_usual_time(tmp_path: Path) -> None:
    met = meet(Place(), 60, {})
    watch = Watch(met, 0, 3.0, startup_seconds=60)
    watch.start()
    beats = []
    for step in range(6):
        watch.doing("saving", f"step {step}", patience=5.0)
        beats.append(json.loads(json.dumps(watch.beat())))
        time.sleep(0.05)
    assert [beat["limit"] for beat in beats[:3]] == [65, 65, 65], "patience counts from the first time on"
    assert all(8.0 < beat["limit"] < 9.0 and beat["doing"].startswith("saving step") for beat in beats[4:])
    watch.close()


def test_no_thread_is_left_that_may_be_inside_torch_when_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAVING_TICK", 5.0)
    watch = Watch(meet(Place(), 60, {}), 0, 3.0, startup_seconds=60)
    watch.start()
    watch.close()
    assert "beats" not in {thread.name for thread in threading.enumerate()}
