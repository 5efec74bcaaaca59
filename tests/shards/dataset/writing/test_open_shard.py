"""Shards are plain WebDataset tars."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np

from tests.shards.dataset.writing.small_conversion import convert


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
