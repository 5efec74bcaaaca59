"""The records of a dataset: all of them in order, without those of a sample whose texts are broken."""

from __future__ import annotations

from pathlib import Path

from mcg.tasks.dataset_records import dataset_records
from shards import DatasetWriter
from tests.shards.small_dataset import FACTS, picture


def test_every_record_comes_in_order_from_all_shards(tmp_path: Path) -> None:
    records = [[{"caption": f"{i}.{r}"} for r in range(1 + i % 3)] for i in range(7)]
    with DatasetWriter(tmp_path / "gray", "gray", samples_per_shard=3) as writer:
        for i, some in enumerate(records):
            writer.write(f"{i:04d}", picture(30 * i), "png", some, {}, FACTS)
    assert list(dataset_records(str(tmp_path / "gray"))) == [record for some in records for record in some]
