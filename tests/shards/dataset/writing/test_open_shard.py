"""Shards are plain WebDataset tars."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path

import hypothesis.strategies as some
import numpy as np
from hypothesis import given

from shards.dataset.index.rows import SampleRow
from shards.dataset.writing.open_shard import NewMember, OpenShard
from tests.shards.dataset.writing.small_conversion import FACTS, convert


def test_shards_are_plain_webdataset_tars(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    convert(tmp_path / "toy")
    with tarfile.open(tmp_path / "toy" / "000000.tar") as tar:
        members = tar.getmembers()
        assert [m.name for m in members[:4]] == ["k000.json", "k000.mp4", "k001.json", "k001.mp4"]
        assert {(m.mtime, m.uid, m.uname, m.isreg()) for m in members} == {(0, 0, "", True)}
        text = tar.extractfile("k001.json")
        assert text is not None
        assert json.load(text) == {"records": [{"caption": "1 ü"}] * 2, "row": 1}


def test_any_webdataset_reader_reads_them(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    import webdataset

    for name, data in uninterrupted.items():
        (tmp_path / name).write_bytes(data)
    urls = sorted(str(path) for path in tmp_path.glob("*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert len(samples) == json.loads(uninterrupted["dataset.json"])["num_samples"]
    assert samples[3]["mp4"] == np.random.default_rng(3).bytes(300 * 4)


@given(
    some.lists(
        some.tuples(some.text("abcü漢-", min_size=1, max_size=30), some.binary(min_size=1, max_size=3000)),
        min_size=1,
        max_size=6,
        unique_by=lambda sample: sample[0],
    )
)
def test_the_bytes_are_those_of_webdatasets_writer(samples: list[tuple[str, bytes]]) -> None:
    from webdataset import TarWriter

    buffer = io.BytesIO()
    writer = TarWriter(buffer, encoder=False, mtime=0, user="", group="", compress=False)
    with tempfile.TemporaryDirectory() as folder:
        shard = OpenShard(f"{folder}/a.tar")
        for key, data in samples:
            members = {"json": b"{}", "mp4": data}
            writer.write({"__key__": key, **members})
            new = [NewMember(f"{key}.{ext}", ext, content) for ext, content in members.items()]
            shard.add(new, SampleRow(key, (), 1, FACTS, None), sum(member.num_bytes for member in new))
        writer.close()
        rows, entry = shard.finish("a.tar")
        content = Path(folder, "a.tar").read_bytes()
    assert content == buffer.getvalue() and entry.bytes == len(content)
    for row, (_, data) in zip(rows, samples, strict=True):
        text, medium = row.members
        assert content[text.offset : text.offset + text.size] == b"{}"
        assert content[medium.offset : medium.offset + medium.size] == data
