"""An index in row groups of another size, so that a few samples make many requests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq

from shards.dataset.index.index import Index
from shards.dataset.index.schema import index_schema
from shards.dataset.index.write_index import write_index
from shards.storage.open import open_source


def regroup(folder: Path, max_rows: int, gap: int = 0) -> None:
    """Write the index of a dataset again in row groups of at most max_rows rows, with a gap of so many bytes behind
    them: one of 1 MiB keeps them out of the tail that is fetched with the footer."""
    opened = Index.open(open_source(str(folder)))
    rows = pq.read_table(folder / "index.parquet").cast(index_schema(opened.has_key_frames))
    starts, counts = opened.shards.first_row.tolist(), opened.shards.num_samples.tolist()
    tables = [rows.slice(start, count) for start, count in zip(starts, counts, strict=True)]
    aside = folder / "index.parquet.regrouped"
    content = write_index(str(aside), tables, key_frames=opened.has_key_frames, max_group_rows=max_rows)
    data = aside.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    aside.write_bytes(data[:footer] + bytes(gap) + data[footer:])
    os.replace(aside, folder / "index.parquet")
    about = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(about | {"index_content": content}))
