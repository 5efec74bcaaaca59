"""The ledger remembers what would fail again while its process lasts; the budget stops a run with its reasons."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from shards.base.errors import TooManyFailures
from shards.loader.quarantine import Failure, FailureBudget, Ledger
from shards.read.sample import Origin

LASTING = Failure(Origin("cc", "0.tar", "k1"), "checksum", row=4, stage="read", lasting=True)
PASSING = Failure(Origin("cc", "0.tar", "k2"), "cut off after frame 3", row=5, stage="decode")
PRINTS = {"cc": "f00d"}


def test_only_lasting_failures_are_known_again() -> None:
    ledger = Ledger()
    for failure in (LASTING, PASSING):
        ledger.remember(failure)
    assert ledger.known("cc", "0.tar", 4) == LASTING
    assert ledger.known("cc", "0.tar", 3) is None
    assert ledger.known("cc", "0.tar", 5) is None


def test_a_number_that_is_another_samples_in_this_run_is_filed(tmp_path: Path) -> None:
    """Rows count records in one run and samples in the next, when the dataset's `elements` changed between them."""
    path = tmp_path / "ledger.jsonl"
    Ledger(path, PRINTS).file([LASTING])
    Ledger(path, PRINTS).file([LASTING, replace(LASTING, origin=replace(LASTING.origin, key="k9"))])
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["k1", "k9"]


def test_a_lasting_failure_is_filed_also_after_a_passing_one_of_the_same_element(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", PRINTS)
    ledger.file([replace(LASTING, lasting=False, stage="decode"), LASTING, LASTING])
    entries = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [entry["lasting"] for entry in entries] == [False, True]


def test_a_later_process_tries_again_what_an_earlier_one_filed(tmp_path: Path) -> None:
    """The shard may have been repaired meanwhile."""
    path = tmp_path / "ledger.jsonl"
    earlier = Ledger(path, PRINTS)
    earlier.remember(LASTING)
    earlier.file([LASTING])
    later = Ledger(path, PRINTS)
    assert earlier.known("cc", "0.tar", 4) == LASTING
    assert later.known("cc", "0.tar", 4) is None


def test_a_later_run_files_no_lasting_failure_twice(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ledger.jsonl"
    Ledger(path, PRINTS).file([LASTING, PASSING])
    later = Ledger(path, PRINTS)
    later.file([LASTING, PASSING, PASSING])
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [e["key"] for e in entries] == ["k1", "k2", "k2", "k2"]
    assert entries[0] == {
        "dataset": "cc",
        "shard": "0.tar",
        "key": "k1",
        "row": 4,
        "stage": "read",
        "lasting": True,
        "reason": "checksum",
        "fingerprint": "f00d",
    }


def test_what_was_given_up_for_its_time_is_marked_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path, PRINTS).file([PASSING, replace(PASSING, timed_out=True)])
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert entries[1] == {**entries[0], "timed_out": True} and "timed_out" not in entries[0]
    assert Ledger(path, PRINTS).counts() == {}


def test_what_was_filed_about_other_shards_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path, {"cc": "old"}).file([LASTING])
    Ledger(path, PRINTS).file([LASTING])
    prints = [json.loads(line)["fingerprint"] for line in path.read_text().splitlines()]
    assert prints == ["old", "f00d"]


def test_a_line_cut_by_a_crash_is_dropped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path, PRINTS).file([LASTING])
    whole = path.read_text()
    path.write_text(whole + whole[:20])
    with caplog.at_level(logging.WARNING):
        ledger = Ledger(path, PRINTS)
    assert "dropped a half-written last line (20 bytes)" in caplog.text
    ledger.file([PASSING])
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["k1", "k2"]


def test_a_file_that_is_no_ledger_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path, PRINTS).file([LASTING])
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(ValueError, match=r"ledger.jsonl, line 2: not a ledger entry \(KeyError\('dataset'\)\)"):
        Ledger(path, PRINTS)


def test_reasons_with_any_text_stay_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    odd = replace(LASTING, reason="two\nlines\u2028\x85 and \u00e9 \udcff {braces}")
    Ledger(path, PRINTS).file([odd])
    [line] = path.read_text().splitlines()
    assert json.loads(line)["reason"] == odd.reason
    Ledger(path, PRINTS).file([odd])
    assert path.read_text() == line + "\n"


def test_the_count_stops_at_once_and_the_rate_after_probation() -> None:
    ledger = Ledger()
    ledger.file([LASTING])
    FailureBudget(max_count=3).check(3, 3, ledger)
    with pytest.raises(TooManyFailures, match=r"4 of 4 elements tried on this rank .* max_failures 3 allows"):
        FailureBudget(max_count=3).check(4, 4, ledger)
    budget = FailureBudget(max_rate=0.1, probation=100)
    budget.check(99, 99, ledger)
    budget.check(10, 100, ledger)
    with pytest.raises(TooManyFailures, match=r"11 of 100 .* max_failure_rate 0.1 allows"):
        budget.check(11, 100, ledger)
    FailureBudget().check(10**9, 10**9, ledger)


def test_the_message_names_the_ledger_and_the_last_reasons(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", PRINTS)
    ledger.file([replace(LASTING, row=i, reason=f"reason {i}") for i in range(7)])
    with pytest.raises(TooManyFailures) as raised:
        FailureBudget(max_count=0).check(7, 9, ledger)
    text = str(raised.value)
    assert str(tmp_path / "ledger.jsonl") in text
    assert [f"cc/0.tar:k1: reason {i}" in text for i in range(7)] == [False] * 2 + [True] * 5


def test_without_a_file_the_message_says_how_to_get_one() -> None:
    error = Ledger().exhausted([LASTING, PASSING, PASSING])
    assert "cc/0.tar:k1: this element and its 2 substitutes" in str(error)
    assert "no file (give the loader a ledger_path to keep them)" in str(error)
    assert str(error).count("cc/0.tar:k2: cut off after frame 3") == 1


def test_counts_are_by_dataset_and_stage_and_hold_what_is_filed_once_only() -> None:
    ledger = Ledger()
    ledger.remember(LASTING)
    assert ledger.counts() == {}
    ledger.file([LASTING, LASTING, PASSING])
    assert ledger.counts() == {"cc": {"decode": 1, "read": 2}}
