"""The texts of a dataset come in the order of its samples, with shard and key; one without any says so."""

from __future__ import annotations

from pathlib import Path

from shards import DatasetWriter, MediaFacts
from shards.dataset import Index, TextError
from shards.storage import open_source
from tools.sample_texts import sample_texts

FACTS = MediaFacts("video", "h264", 8, 8, 10, 10.0, 1.0)


def test_every_sample_comes_once_in_order(tmp_path: Path) -> None:
    folder = str(tmp_path / "toy")
    with DatasetWriter(folder, "toy", samples_per_shard=2) as writer:
        for number in range(5):
            writer.write(f"k{number}", b"medium", "mp4", [{"caption": f"text {number}"}], {}, FACTS)
    index = Index.open(open_source(folder))
    found = list(sample_texts(index))
    assert [key for _, key, _ in found] == [f"k{number}" for number in range(5)]
    assert [shard for shard, _, _ in found] == [index.shards.names[number // 2] for number in range(5)]
    assert not any(isinstance(texts, TextError) for _, _, texts in found)
    assert [texts.records for _, _, texts in found] == [[{"caption": f"text {number}"}] for number in range(5)]
