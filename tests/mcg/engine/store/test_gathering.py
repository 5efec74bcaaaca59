"""Ranks report through files what they wrote; the first one waits for all, and learns what went wrong."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mcg.engine.store.gathering import collect, report
from mcg.engine.store.integrity import FileFacts


def test_the_reports_of_all_ranks_are_waited_for_and_taken_away(tmp_path: Path) -> None:
    facts = {rank: {f"state/{rank}": FileFacts(rank, "ab")} for rank in (1, 2)}
    found: list[tuple[dict[str, FileFacts], list[str]]] = []
    first = threading.Thread(target=lambda: found.append(collect(tmp_path, 3)))
    first.start()
    report(tmp_path, 2, facts[2], "no room")
    report(tmp_path, 1, facts[1], None)
    first.join()
    assert found == [({**facts[1], **facts[2]}, ["no room"])]
    assert list(tmp_path.iterdir()) == [] and collect(tmp_path, 1) == ({}, [])


def test_a_rank_without_room_for_its_report_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        report(tmp_path, 1, {}, None)
    assert collect(tmp_path, 2) == ({}, ["rank 1 could not write"])
