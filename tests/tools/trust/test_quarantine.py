"""The quarantine is read piece by piece, and counted by reason with examples."""

from __future__ import annotations

import json
from pathlib import Path

from shards.cli import Dataset, open_dataset
from shards.dataset import QUARANTINE_FILE
from tools.trust.quarantine import by_reason, read_lines


def test_reasons_are_counted_with_examples(train: Dataset) -> None:
    (reason,) = by_reason(train.index)
    assert reason.kind == "media not found" and reason.num_rows == 1
    assert reason.examples[0].startswith("media not found: train.jsonl line 11: ")


def test_reasons_of_an_index_that_differ_in_names_are_one(copy: Path) -> None:
    lines = [{"shard": f"{n}.tar", "key": f"k{n}", "reason": f"'k{n}.jpg' has {n} bytes"} for n in range(20_000)]
    (copy / QUARANTINE_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))  # several pieces
    (reason,) = by_reason(open_dataset(str(copy)).index)
    assert (reason.kind, reason.num_rows, len(reason.examples)) == ("… has … bytes", 20_000, 4)
    assert reason.examples[0] == "0.tar:k0: 'k0.jpg' has 0 bytes"


def test_lines_that_cannot_be_read_are_reasons(copy: Path) -> None:
    (copy / QUARANTINE_FILE).write_bytes(b'{"reason": "one"}\n[1]\n\xff{\n\n{"reason": "last"}')
    found = [line["reason"] for line in read_lines(open_dataset(str(copy)).index)]
    assert found[0] == "one" and found[-1] == "last" and len(found) == 4
    assert "a line that is no object" in found[1] and "cannot be read" in found[2]


def test_no_file_is_an_empty_quarantine(copy: Path) -> None:
    (copy / QUARANTINE_FILE).unlink()
    assert by_reason(open_dataset(str(copy)).index) == []
