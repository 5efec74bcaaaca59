"""A store gets the same bytes as a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import WriteError
from shards.dataset.writing.conversion import AlreadyFinished
from shards.dataset.writing.writer import DatasetWriter
from shards.read.reader import Reader
from tests.shards.dataset.writing.small_conversion import convert


def test_a_url_gets_the_same_bytes_also_after_an_interruption(
    tmp_path: Path, uninterrupted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    def fail(row: int) -> None:
        if row == 40:
            raise RuntimeError("stop")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    url = f"memory://{tmp_path.name}/toy"
    with pytest.raises(RuntimeError, match="stop"):
        convert(url, fail)
    convert(url)
    files = fsspec.filesystem("memory")
    found = {path.rsplit("/toy/", 1)[1]: files.cat_file(path) for path in files.find(f"/{tmp_path.name}/toy")}
    assert found == uninterrupted
    assert not list(tmp_path.iterdir())  # nothing stays in the scratch folder
    reader = Reader("toy", url)
    assert reader.read(0, 0, np.random.default_rng(0)).record == {"caption": "0 ü"}


def test_s3_gets_the_same_bytes_and_is_read_back(
    uninterrupted: dict[str, bytes], s3_server: object, s3_login: Callable[[str, str], None]
) -> None:
    import s3fs

    s3_login(s3_server.key, s3_server.secret)  # type: ignore[attr-defined]

    def fail(row: int) -> None:
        if row == 40:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        convert("s3://bucket/toy", fail)
    convert("s3://bucket/toy")
    with pytest.raises(AlreadyFinished, match=r"toy: holds a finished dataset already, made in the same way"):
        convert("s3://bucket/toy")
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    found = {path.removeprefix("bucket/toy/"): files.cat_file(path) for path in files.find("bucket/toy")}
    assert found == uninterrupted
    reader = Reader("toy", "s3://bucket/toy")
    assert reader.read(2, 1, np.random.default_rng(0)).origin.shard == "000002.tar"


def test_s3_with_wrong_keys_fails_at_once(s3_server: object, s3_login: Callable[[str, str], None]) -> None:
    s3_login(s3_server.key, "wrong")  # type: ignore[attr-defined]
    with pytest.raises(WriteError, match=r"s3://bucket/other: access refused.*check AWS_ACCESS_KEY_ID"):
        DatasetWriter("s3://bucket/other", "toy")
