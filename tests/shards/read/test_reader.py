"""Reader: samples with parsed texts and settings of their own, shared by threads; what fails is told from bad data."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from shards.base.errors import ConfigError, SourceError
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.members.rules import MemberSettings
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.feed import open_feed
from shards.read.reader import Reader
from shards.read.sample import Sample, SampleError
from shards.storage.pread import read_ranges_in_python
from tests.shards.foreign_tars import write_tar
from tests.shards.odd_dataset import dataset_of


def test_threads_share_a_reader(folder: Path, draw: np.random.Generator) -> None:
    toy = Reader("toy", str(folder))
    addresses = [(shard, row) for shard, count in enumerate(toy.counts) for row in range(count)] * 20
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda address: toy.read(*address, draw).origin, addresses))
    assert keys == [toy.origin(*address) for address in addresses]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "json cannot be read"),
        (b"{", "json cannot be read"),
        (b"\xff\xfe\xfd", "json cannot be read"),
        (b'{"records": [{"caption": NaN}]}', "NaN is no json"),
        (b'{"records": [' + b"[" * 200_000, "json cannot be read"),
        (b'{"records": [{"n": ' + b"9" * 5000 + b"}]}", "json cannot be read"),
        (b"[]", "should be an object with a list of objects under 'records'"),
        (b"{}", "has no text: neither a field in json nor a caption in txt"),
        (b'{"records": {}}', "should be an object"),
        (b'{"records": ["a"]}', "should be an object"),
        (b'{"records": []}', "json has 0 records, the index says 1"),
        (b'{"records": [{}, {}]}', "json has 2 records, the index says 1"),
    ],
)
def test_bad_text_is_a_sample_error(tmp_path: Path, draw: np.random.Generator, text: bytes, reason: str) -> None:
    with pytest.raises(SampleError, match=rf"^odd/000000\.tar:k: .*{reason}"):
        dataset_of(tmp_path / "odd", text).read(0, 0, draw)


def test_a_source_that_fails_is_no_sample_error(
    folder: Path, draw: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Reader("toy", str(folder))
    toy.origin(0, 0)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("shards.storage.local.read_ranges", read_ranges_in_python)  # the compiled one has no os.pread
    monkeypatch.setattr("os.pread", fail)
    with pytest.raises(SourceError, match=r"000000\.tar: cannot be read \(OSError: Input/output error\)") as info:
        toy.read(0, 0, draw)
    assert not isinstance(info.value, ValueError)


def test_importing_the_package_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = ["torch", "webdataset", "av", "PIL", "boto3", "s3fs", "fsspec", "pyarrow"]
    modules = [
        "storage.source",
        "dataset.tars.tar",
        "dataset.index.index",
        "dataset.writing.writer",
        "read.reader",
        "media.kinds",
        "media.clip",
        "decode.backends",
    ]
    imports = ", ".join(f"shards.{module}" for module in modules)
    code = f"import sys, {imports}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_a_config_may_read_other_texts_and_nothing_else(tmp_path: Path) -> None:
    fields = {"caption": "short", "alt": "long", "captions": ["a", "b"]}
    files = [("0.jpg", b"x"), ("0.mp4", b"y"), ("0.json", json.dumps(fields).encode()), ("0.caption.txt", b"third")]
    write_tar(tmp_path / "d" / "0.tar", files)
    url = str(tmp_path / "d")
    index_tars(url)

    def read(elements: Literal["record", "sample"] = "record", **settings: object) -> Sample:
        reader = Reader("d", url, elements, settings=MemberSettings(**settings))
        return reader.read(0, 0, np.random.default_rng(0))

    assert read().record["caption"] == "short" and read().media == b"y"
    assert read(text_field="alt").record["caption"] == "long"
    assert read(text_members="caption.txt").record == {"caption": "third"}
    assert read("sample", text_field="captions").record["caption"] in ("a", "b")
    with pytest.raises(SampleError, match=r"has 2 records, the index says 1; index .* --text-field captions"):
        read(text_field="captions")
    with pytest.raises(ConfigError, match=r"media: .*python -m shards index \S+ --media-members image"):
        read(media="image")
    with pytest.raises(ConfigError, match="key_until"):
        read(key_until="last_dot")
    config = DatasetConfig(name="d", path=url, text_field=("alt",), media=("video", "frames", "image"))
    sample = open_feed(config, LoaderConfig(blend=(config,), batch_size=1)).reader.fetch([0], [0])[0]
    assert not isinstance(sample, SampleError)
    with pytest.raises(ConfigError, match=r"text_field is about members of shards; a \.beton file has none"):
        DatasetConfig(name="d", path="x.beton", source="ffcv", text_field=("alt",))
