"""Folders and files of other tools: `index` says in one line what they are and what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from shards.base.errors import PatternError, UsageError
from shards.cli.verbs.open_dataset import open_dataset
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.tar_jobs import DamagedShard
from shards.dataset.tars.foreign import is_energon, kind_of_file, kind_of_folder
from shards.dataset.tars.tar import scan_all, scan_far
from shards.dataset.tars.tar_header import TarError
from shards.storage.open import open_source
from tests.shards.foreign_tars import img2dataset_files, write_tar

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>" + b" " * 2000
TAR_KINDS = [
    (POINTER, "is a git-lfs pointer .* git lfs pull"),
    (PAGE, "is an HTML page"),
    (b"<HTML>" + b"x" * 100, "is an HTML page"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is an XML text"),
    (b'{"error": "not found"}', "is a JSON text"),
    (b"/annex/objects/MD5E-s10--x.tar\n", "git annex get"),
    (b"\x1f\x8b\x08" + b"z" * 700, "gzip compressed"),
    (b"\x28\xb5\x2f\xfd" + b"z" * 700, "zstd compressed"),
    (b"PK\x03\x04" + b"z" * 700, "is a zip"),
    (b"PAR1" + b"z" * 700, "is a parquet file"),
]


@pytest.mark.parametrize(("content", "message"), TAR_KINDS)
def test_what_is_named_as_a_tar_and_is_none_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    for name in ("0.tar", "1.tar", "2.tar"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DamagedShard, match=message) as caught:
        index_tars(str(tmp_path))
    assert "\n" not in str(caught.value)
    assert "none of 3 tars can be indexed: 0.tar (as 2 others): " in str(caught.value)
    with pytest.raises(TarError, match=message):
        scan_all(io.BytesIO(content))
    with pytest.raises(TarError, match=message):
        scan_far(lambda length, offset: content[offset : offset + length], len(content), "x.tar")


def test_a_pointer_among_tars_is_left_out_with_what_it_is(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", img2dataset_files(["a"]))
    (tmp_path / "1.tar").write_bytes(POINTER)
    report = index_tars(str(tmp_path))
    assert report.num_samples == 1 and "git lfs pull" in report.damaged["1.tar"]


def test_what_is_not_known_has_no_kind(tmp_path: Path) -> None:
    assert kind_of_file(b"no tar") == kind_of_file(b"") == kind_of_file(bytes(512)) == ""
    assert kind_of_folder(open_source(tmp_path)) == kind_of_folder(open_source(tmp_path / "nowhere")) == ""


MDS = {"version": 2, "shards": [{"format": "mds", "raw_data": {"basename": "shard.00000.mds", "bytes": 10}}]}
LIT = {"chunks": [{"filename": "chunk-0-0.bin", "chunk_size": 2}], "config": {"data_format": ["jpeg", "int"]}}
FOLDERS: list[tuple[dict[str, bytes], str]] = [
    ({"index.json": json.dumps(MDS).encode(), "shard.00000.mds": b"x"}, r"holds a MosaicML \(MDS\) dataset"),
    ({"shard.00000.mds.zstd": b"x"}, r"holds a MosaicML \(MDS\) dataset"),
    ({"train/index.json": json.dumps(MDS).encode()}, "the folder train in it holds a MosaicML"),
    ({"index.json": json.dumps(LIT).encode(), "chunk-0-0.bin": b"x"}, "holds a LitData dataset"),
    ({"val/index.json": json.dumps(LIT).encode(), "val/chunk-0-0.bin": b"x"}, "the folder val in it holds a LitData"),
    (
        {".nv-meta/.info.yaml": b"shard_counts: {parts/0.tar: 1}", "parts/0.tar": b""},
        r"Energon .* \(parts\): index each",
    ),
    ({".nv-meta/.info.yaml": b"x"}, "Energon dataset .* index the folder of the tars"),
    ({"index.json": b'{"__kind__": "wids-shard-index-v1", "shardlist": []}'}, "wids"),
    ({"a/0.tar": b"", "b/0.tar": b""}, r"no tars lie in the folder, but in folders below it \(a, b\): index each"),
    ({"0.tar.gz": b"x"}, "holds compressed tars"),
    ({"0.tgz": b"x"}, "holds compressed tars"),
    ({"x.beton": b"x"}, "holds FFCV files"),
    ({"x-00000-of-00001.parquet": b"x"}, "holds parquet files"),
    ({"x.tfrecord-00000": b"x"}, "holds TFRecords"),
    ({"data.mdb": b"x"}, "holds an LMDB"),
    ({"notes.txt": b"x", "index.json": b"[" * 100_000}, r"check the path \(names should end in .tar\)"),
]


@pytest.mark.parametrize(("files", "message"), FOLDERS)
def test_a_folder_without_tars_is_named_with_what_to_do(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(PatternError, match=message) as caught:
        index_tars(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_tars_of_an_energon_dataset_are_indexed(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", img2dataset_files(["a"]))
    (tmp_path / "0.tar.idx").write_bytes(b"x")
    (tmp_path / ".nv-meta").mkdir()
    (tmp_path / ".nv-meta" / ".info.yaml").write_text("shard_counts: {0.tar: 1}")
    report = index_tars(str(tmp_path))
    assert report.num_samples == 1 and is_energon(str(tmp_path))
    assert "Energon" in report.found and not is_energon(str(tmp_path / ".nv-meta"))


def test_other_commands_name_the_folder_too(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(json.dumps(LIT).encode())
    with pytest.raises(UsageError, match="no dataset here: the folder holds a LitData dataset"):
        open_dataset(str(tmp_path))


def test_a_far_folder_is_named_like_a_local_one(tmp_path: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe_file("/lit/index.json", json.dumps(LIT).encode())
    with pytest.raises(PatternError, match="the folder holds a LitData dataset"):
        index_tars("memory://lit", str(tmp_path))
