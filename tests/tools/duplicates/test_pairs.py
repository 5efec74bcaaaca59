"""Pairs and the files with them; tests/tools/duplicates/test_find.py finds them in a dataset."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow.parquet as pq

from shards.read.sample import Origin
from tools.duplicates.compare import Likeness
from tools.duplicates.pairs import CONTENT, IDS, NEAR, Pair, write_exclusions, write_pairs

ORIGINS = {number: Origin("d", f"{number}.tar", f"k\u202e{number}") for number in range(4)}


def test_pairs_are_written_with_both_sides(tmp_path: Path) -> None:
    near = Pair(0, 1, NEAR, 12, True, Likeness(math.nan, 0.9, 1.0, 2.0))
    write_pairs(tmp_path / "p.parquet", [near, Pair(2, 3, IDS)], {0: 0, 1: 0}, ORIGINS)
    first, second = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert (first["kind"], first["distance"], first["mirrored"], first["group"]) == ("near", 12, True, 0)
    assert (first["motion"], first["a_shard"], first["b_key"]) == (None, "0.tar", "k\u202e1")
    assert (second["kind"], second["blocks"], second["group"]) == ("id", None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_what_is_least_like_is_least_certain() -> None:
    assert Pair(0, 1, CONTENT).certainty == 1
    assert Pair(0, 1, NEAR, 0, False, Likeness(0.8, 0.9, 0, 0)).certainty == 0.8
    assert Pair(0, 1, NEAR, 0, False, Likeness(math.nan, 0.7, 0, 0)).certainty == 0.7


def test_a_line_without_a_shard_is_about_all_shards(tmp_path: Path) -> None:
    lines = [(Origin("d", "", "k"), "why", {}), (ORIGINS[1], "why", {"kept": "x"})]
    assert write_exclusions(tmp_path / "e.jsonl", lines) == 2
    first, second = map(json.loads, (tmp_path / "e.jsonl").read_text().splitlines())
    assert first == {"dataset": "d", "key": "k", "reason": "why"}
    assert (second["shard"], second["kept"]) == ("1.tar", "x")
