"""A bar on a terminal; elsewhere lines with rate and time left, also while nothing moves."""

from __future__ import annotations

import io
import re
import sys
import threading

import pytest

from shards.cli import progress as module
from shards.cli.progress import Progress, show_progress


class _Lines(io.StringIO):
    """A stream that tells when so many lines have been written."""

    def __init__(self, wanted: int, terminal: bool = False) -> None:
        super().__init__()
        self._wanted, self._terminal, self.full = wanted, terminal, threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.getvalue().count("\n") >= self._wanted:
            self.full.set()
        return written


def test_without_a_terminal_lines_tell_count_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Lines(wanted=2)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    with show_progress("build", 3000, "rows") as progress:
        progress.skip(1000)
        progress.update(1200, quarantined=3)
        assert stream.full.wait(60), "nothing moves, and lines come"
    lines = stream.getvalue().splitlines()
    assert re.fullmatch(r"build: 1,200 of 3,000 rows \(40%\), [\d,.]+/s, [\d a-z]+ left, 3 quarantined", lines[-1]), (
        lines
    )
    count = len(lines)
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    assert len(stream.getvalue().splitlines()) == count


def test_on_a_terminal_there_is_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = _Lines(wanted=1, terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with show_progress("verify", 4_000_000) as progress:
        progress.advance(2_000_000)
    assert "verify" in stream.getvalue() and "2.0/4.0 MB" in stream.getvalue()


def test_a_short_piece_of_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("index", None, "shards") as progress:
        progress.update(1, 2)
    assert capsys.readouterr() == ("", "")


def test_rates_are_those_of_this_run_and_what_is_unknown_is_left_out() -> None:
    assert Progress("index", None, "shards").line == "index: 0 shards"
    started = Progress("verify", 4_000_000, "bytes")
    assert started.line == "verify: 0 B of 4 MB (0%)"
    started.skip(3_000_000)
    assert started.line == "verify: 3 MB of 4 MB (75%)" and started.rate == 0


def test_failures_are_told_by_reason_the_commonest_first() -> None:
    progress = Progress("build", 10, "rows")
    progress.update(4, quarantined={"unusable media": 1, "media not found": 2})
    assert progress.line.endswith("3 quarantined (media not found 2, unusable media 1)")
    progress.update(5, quarantined={})
    assert "quarantined" not in progress.line


def test_threads_may_count_together() -> None:
    progress = Progress("verify", None, "bytes")
    threads = [threading.Thread(target=lambda: [progress.advance() for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.done == 20_000
