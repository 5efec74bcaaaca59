"""Exclusion lists: what their lines mean, which of them are about this dataset, and what is no such line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shards.base.errors import ExclusionError
from shards.loader.quarantine import Failure, Ledger
from shards.read.sample import Origin
from shards.select.exclusion import Exclusions, read_exclusions

SHARDS = [("0.tar", 3), ("1.tar", 0), ("2.tar", 2)]
KEYS = pa.array(["a", "b", "c", "a", "b"])


def write(file: Path, *lines: Any) -> str:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(file)


def test_a_line_takes_out_one_sample_or_without_a_shard_its_key_everywhere(tmp_path: Path) -> None:
    path = write(
        tmp_path / "out.jsonl", {"shard": "0.tar", "key": "b"}, {"key": "a", "why": 3}, {"shard": None, "key": "z"}
    )
    exclusions = read_exclusions([path], {"cc"})
    assert exclusions.mask(KEYS, SHARDS).tolist() == [True, True, False, True, False]
    assert (len(exclusions), exclusions.shards) == (3, ["0.tar"])


def test_files_are_one_list_whatever_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "1.jsonl", {"key": "a"}, {"shard": "0.tar", "key": "b"}, {"key": "a"})
    write(tmp_path / "2.jsonl", {"shard": "0.tar", "key": "b"}, {"key": "a"})
    monkeypatch.chdir(tmp_path)
    one, two = read_exclusions(["1.jsonl"], {"cc"}), read_exclusions([f"file://{tmp_path}/2.jsonl", "1.jsonl"], {"cc"})
    assert one.digest() == two.digest() != Exclusions([(None, "a")]).digest()
    assert Exclusions([("ab", "c")]).digest() != Exclusions([("a", "bc")]).digest()


def test_a_ledger_is_a_list_and_lines_of_other_datasets_are_not_meant(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path).file([Failure(Origin(name, "0.tar", key), "torn") for name, key in (("cc", "a"), ("web", "b"))])
    exclusions = read_exclusions([str(path)], {"cc", "conceptual"})
    assert exclusions.mask(KEYS, SHARDS).tolist() == [True, False, False, False, False]
    assert not len(read_exclusions([str(path)], {"other"}))
    assert "none of its lines is about ['other'], they are about ['cc', 'web']" in caplog.text


def test_what_took_too_long_to_decode_is_not_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The machine may have been slow; that it was bad as well is another line."""
    path = tmp_path / "ledger.jsonl"
    slow, other = (Failure(Origin(name, "0.tar", "a"), "slow", timed_out=True) for name in ("cc", "web"))
    Ledger(path).file([slow, Failure(Origin("cc", "0.tar", "b"), "torn"), slow, other])
    exclusions = read_exclusions([str(path)], {"cc"})
    assert exclusions.mask(KEYS, SHARDS).tolist() == [False, True, False, False, False]
    [message] = caplog.messages
    assert "2 of its lines are about clips that took too long to decode, which leaves no sample out" in message
    both = write(
        tmp_path / "both.jsonl", {"key": "a", "timed_out": True}, {"key": "a"}, {"key": "b", "timed_out": False}
    )
    assert len(read_exclusions([both], {"cc"})) == 2


def test_half_a_character_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"key": "a"}\n{"key": "\\ud800"}\n')
    with pytest.raises(ExclusionError, match="line 2: key or shard is no text that UTF-8 can hold"):
        read_exclusions([str(path)], {"cc"})


def test_a_line_cut_at_the_end_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"key": "a"}\n\n{"key": "b"}\n{"key": "c')
    with caplog.at_level(logging.WARNING):
        assert len(read_exclusions([str(path)], {"cc"})) == 2
    assert "its last line has no end and is left out" in caplog.text
    path.write_text('{"key": "a"}\n{"key": "b"}')
    assert len(read_exclusions([str(path)], {"cc"})) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"key": "a"}\nnonsense\n', r"out\.jsonl, line 2: not json"),
        ('{"row": 3, "record": "a", "reason": "torn"}\n', r'line 1: should be an object with "key".*, is {"row": 3'),
        ('["a"]\n', 'should be an object with "key"'),
        ('{"key": 4}\n', 'should be an object with "key"'),
        ('{"key": "a", "shard": 0}\n', 'should be an object with "key"'),
        ("[" * 100_000 + "\n", "line 1: not json"),
    ],
)
def test_a_line_that_names_no_sample_stops_with_its_number(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(text)
    with pytest.raises(ExclusionError, match=message):
        read_exclusions([str(path)], {"cc"})


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExclusionError, match=r"exclude .*gone\.jsonl: no such file"):
        read_exclusions([str(tmp_path / "gone.jsonl")], {"cc"})
