"""The place of a thread in the code."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from mcg.launch.whereabouts import whereabouts


def test_the_innermost_call_of_ours_is_named_and_what_it_called() -> None:
    inside, leave = threading.Event(), threading.Event()

    def ours() -> None:
        inside.set()
        leave.wait()

    thread = threading.Thread(target=ours)
    thread.start()
    inside.wait()
    assert thread.ident is not None
    found = whereabouts(thread.ident)
    leave.set()
    thread.join()
    assert found.at.startswith("(tests/mcg/launch/test_whereabouts.py:") and " ours > wait)" in found.at
    assert not found.waits


def test_a_thread_in_a_collective_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def frame(file: str, name: str, back: object) -> SimpleNamespace:
        return SimpleNamespace(f_code=SimpleNamespace(co_filename=file, co_name=name), f_lineno=7, f_back=back)

    step = frame("/elsewhere/train.py", "run", None)
    inner = frame("/v/site-packages/torch/distributed/distributed_c10d.py", "all_reduce", step)
    monkeypatch.setattr("sys._current_frames", lambda: {1: inner})
    assert whereabouts(1).waits
    assert whereabouts(1).at == "(distributed_c10d.py:7 all_reduce)"


def test_a_thread_that_has_ended_is_nowhere() -> None:
    assert whereabouts(-1).to_dict() == {"at": "", "waits": False}
