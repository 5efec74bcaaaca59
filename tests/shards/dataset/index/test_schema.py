"""The page on the format names everything that is written."""

from __future__ import annotations

import json
from pathlib import Path

from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.schema import index_schema
from shards.dataset.index.shard_table import ShardEntry


def test_the_format_page_names_every_column_and_key() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "data_format.md").read_text()
    entry = ShardEntry("0.tar", 1, 1, 1, "")
    names = [*index_schema(True).names, *json.loads(dataset_json("toy", [entry], 0, {}, "/root"))]
    names += ["shard", "num_samples", "num_elements", "bytes", "checksum", "first_row", "state", "num_quarantined"]
    assert not [name for name in names if f"`{name}`" not in page]
