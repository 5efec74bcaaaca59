"""Indexing tars made elsewhere: all of it can be read, damage is said, what is known is not read again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import DatasetError, PatternError, WrongPlace
from shards.dataset.indexing.cost import Step
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.tar_jobs import DamagedShard
from shards.dataset.members.rules import read_options
from shards.dataset.tars.looks import Looks
from shards.read.reader import Reader
from shards.read.sample import SampleError
from tests.shards.dataset.indexing.indexed import HEADERS, MEDIA, captions, index_of
from tests.shards.foreign_tars import (
    Files,
    caption,
    img2dataset_files,
    picture,
    video2dataset_files,
    write_tar,
    write_webdataset_tar,
)
from tests.shards.http_store import HttpStore


def gnu_tar(path: Path, files: list[tuple[str, bytes]]) -> Path:
    if shutil.which("tar") is None:
        pytest.skip("no tar program")
    folder = path.parent / "unpacked"
    for name, data in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    subprocess.run(["tar", "--format=gnu", "--sort=name", "-cf", str(path), "-C", str(folder), "."], check=True)
    shutil.rmtree(folder)
    return path


@pytest.mark.parametrize("layout", [img2dataset_files, video2dataset_files])
@pytest.mark.parametrize("write", [write_tar, write_webdataset_tar, gnu_tar])
def test_the_loader_reads_what_other_tools_wrote(
    tmp_path: Path, layout: Callable[[list[str]], list[tuple[str, bytes]]], write: Callable[..., Path]
) -> None:
    keys = [f"{key:09d}" for key in range(5)]
    (tmp_path / "x").mkdir()
    write(tmp_path / "x" / "00000.tar", layout(keys))
    report = index_tars(str(tmp_path / "x"), looks=MEDIA)
    assert (report.num_samples, report.num_records, report.num_quarantined, report.damaged) == (5, 5, 0, {})
    assert captions(tmp_path / "x") == [caption(key) for key in keys]
    [sample] = [Reader("x", str(tmp_path / "x")).read(0, 2, np.random.default_rng(0))]
    assert sample.meta == {} and sample.record["key"] == keys[2]


def test_our_own_tars_can_be_indexed_elsewhere(tmp_path: Path, build_dataset: Callable[..., str]) -> None:
    build_dataset(tmp_path / "toy")
    with pytest.raises(WrongPlace, match=r"were written with an index of their own.*--out"):
        index_tars(str(tmp_path / "toy"))
    index_tars(str(tmp_path / "toy"), str(tmp_path / "out"))
    ours, theirs = index_of(tmp_path / "toy"), index_of(tmp_path / "out")
    assert ours.fingerprint == theirs.fingerprint
    for shard in range(len(ours.shards)):
        assert list(ours.rows(shard).keys) == list(theirs.rows(shard).keys)
        assert [ours.rows(shard).members(i) for i in range(4)] == [theirs.rows(shard).members(i) for i in range(4)]
    draw = np.random.default_rng(0)
    one, other = (Reader("toy", str(tmp_path / place)).read(1, 3, draw) for place in ("toy", "out"))
    assert (one.media, one.record, one.meta) == (other.media, other.record, other.meta)


def test_an_index_elsewhere_names_the_root_of_its_tars(tars: Path, tmp_path: Path) -> None:
    report = index_tars(str(tars), str(tmp_path / "out"), "other", MEDIA)
    assert report.root == str(tars) and sorted(os.listdir(tmp_path / "out")) == [
        "dataset.json",
        "index.parquet",
        "quarantine.jsonl",
        "shards.parquet",
    ]
    dataset = index_of(tmp_path / "out").dataset
    assert (dataset["root"], dataset["name"], dataset["verified"]) == (str(tars), "other", True)
    assert len(captions(tmp_path / "out")) == 12
    assert sorted(os.listdir(tars)) == ["00000.tar", "00001.tar", "00002.tar"]


def test_a_remote_folder_is_indexed_like_a_local_one(tars: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    for name in os.listdir(tars):
        files.pipe_file(f"/remote/cc/{name}", (tars / name).read_bytes())
    for looks, out in ((MEDIA, None), (HEADERS, "memory://remote/headers")):
        report = index_tars("memory://remote/cc/{00000..00002}.tar", out, looks=looks)
        assert (report.num_samples, report.num_scanned, report.damaged) == (12, 3, {})
        again = index_tars("memory://remote/cc/{00000..00002}.tar", out, looks=looks)
        assert (again.num_samples, again.num_scanned) == (12, 0)
    assert len(captions("memory://remote/cc")) == 12
    local = index_of(index_tars(str(tars), looks=Looks()).out)
    assert index_of("memory://remote/cc").fingerprint == local.fingerprint


def test_bytes_of_remote_tars_are_read_once_and_for_headers_only_where_they_are(tmp_path: Path) -> None:
    large = os.urandom(5 << 20)
    members = [(f"{i}.{ext}", data) for i in range(4) for ext, data in (("mp4", large), ("txt", b"a"))]
    raw = write_tar(tmp_path / "0.tar", members).read_bytes()
    small = write_tar(tmp_path / "1.tar", img2dataset_files([f"{i:03d}" for i in range(20)])).read_bytes()
    with HttpStore().running() as store:
        store.files |= {"/far/0.tar": raw, "/far/1.tar": small}

        def bytes_read(looks: Looks) -> dict[str, int]:
            store.requests.clear()
            out = tmp_path / f"index{looks.checksums}"
            report = index_tars(f"{store.url}/far/{{0..1}}.tar", str(out), looks=looks)
            assert (report.num_shards, report.num_samples, report.damaged) == (2, 24, {})
            read = {"/far/0.tar": 0, "/far/1.tar": 0}
            for method, path, range_ in store.requests:
                if method == "GET":
                    first, last = map(int, (range_ or "bytes=0-0").removeprefix("bytes=").split("-"))
                    read[path] += min(last + 1, len(store.files[path])) - first
            return read

        assert bytes_read(Looks()) == {"/far/0.tar": len(raw), "/far/1.tar": len(small)}
        read = bytes_read(HEADERS)
        assert read["/far/1.tar"] <= len(small)
        num_requests = sum((method, path) == ("GET", "/far/1.tar") for method, path, _ in store.requests)
        assert num_requests <= 4, "small members are read through"
        assert read["/far/0.tar"] < len(raw) / 3, "large ones are jumped over"


def test_headers_only_read_by_sample_and_are_refused_by_record(tmp_path: Path) -> None:
    files = [(name, data) for name, data in img2dataset_files(["a", "b", "c"]) if not name.endswith("txt")]
    files[3] = ("b.json", b"{")
    write_tar(tmp_path / "x" / "0.tar", files)
    report = index_tars(str(tmp_path / "x"), looks=HEADERS)
    assert report.num_records == -1 and not index_of(tmp_path / "x").verified
    with pytest.raises(DatasetError, match="index it again without --headers, or set elements: sample"):
        Reader("x", str(tmp_path / "x"))
    reader = Reader("x", str(tmp_path / "x"), "sample")
    draw = np.random.default_rng(0)
    assert reader.read(0, 0, draw).media == picture(0) and reader.read(0, 2, draw).record["key"] == "c"
    with pytest.raises(SampleError, match=r"x/0\.tar:b: json cannot be read"):
        reader.read(0, 1, draw)


def test_an_index_without_media_facts_is_refused_when_a_clip_is_planned(tars: Path) -> None:
    index_tars(str(tars))
    with pytest.raises(DatasetError, match="index the dataset again with --media"):
        captions(tars)
    index_tars(str(tars), looks=MEDIA)
    assert len(captions(tars)) == 12


def test_an_index_without_samples_is_filled_by_a_later_run(tmp_path: Path) -> None:
    folder = tmp_path / "cc"
    write_tar(folder / "a.tar", [("x.txt", b"no medium")])
    assert index_tars(str(folder)).num_samples == 0
    empty = index_of(folder)
    assert len(empty.rows(0)) == 0 and empty.table(0).num_rows == 0
    write_tar(folder / "b.tar", img2dataset_files(["k"]))
    assert index_tars(str(folder)).num_samples == 1
    assert list(index_of(folder).rows(1).keys) == ["k"]


def test_headers_and_media_exclude_each_other(tars: Path) -> None:
    with pytest.raises(PatternError, match="leave out --headers, or --media"):
        index_tars(str(tars), looks=Looks(checksums=False, media=True))


def damage(tars: Path) -> None:
    """One tar whole, one cut off, one no tar."""
    whole = (tars / "00001.tar").read_bytes()
    (tars / "00001.tar").write_bytes(whole[: len(whole) // 2])
    (tars / "00002.tar").write_bytes(b"no tar" * 1000)


@pytest.mark.parametrize("jobs", [1, 2])
def test_damaged_tars_are_left_out_and_reported(tars: Path, jobs: int) -> None:
    damage(tars)
    report = index_tars(str(tars / "{00000..00003}.tar"), jobs=jobs)
    assert report.num_shards == 1 and report.num_samples == 4
    assert report.damaged.keys() == {"00001.tar", "00002.tar", "00003.tar"}
    reasons = "\n".join(report.damaged.values())
    assert "00001.tar: " in reasons and "it was cut off" in reasons
    for part in ("00002.tar: byte 0: not a tar header", "00003.tar: not found"):
        assert part in reasons
    assert index_of(tars).dataset["provenance"]["left_out"] == report.damaged


def test_a_tar_whose_name_no_reader_would_take_is_left_out(tars: Path) -> None:
    os.rename(tars / "00001.tar", tars / "a\\b.tar")
    os.rename(os.fsencode(tars / "00002.tar"), os.fsencode(tars) + b"/caf\xe9.tar")
    report = index_tars(str(tars), looks=MEDIA)
    assert report.num_shards == 1 and report.damaged.keys() == {"'a\\\\b.tar'", "'caf\\udce9.tar'"}
    assert all("cannot be the name of a shard" in reason for reason in report.damaged.values())
    assert len(captions(tars, elements="sample")) == 4


def test_a_strict_run_stops_at_the_first_damaged_tar_and_keeps_the_others(tars: Path) -> None:
    damage(tars)
    with pytest.raises(DamagedShard, match=r"00001\.tar: .* cut off .*the run stops here because it is strict"):
        index_tars(str(tars), strict=True)
    assert not (tars / "dataset.json").exists()
    (tars / "00001.tar").unlink()
    (tars / "00002.tar").unlink()
    assert index_tars(str(tars), strict=True).num_scanned == 0


def test_nothing_but_damage_gives_no_index(tars: Path) -> None:
    for tar in tars.iterdir():
        tar.write_bytes(b"")
    with pytest.raises(DamagedShard, match="none of 3 tars can be indexed"):
        index_tars(str(tars))
    assert not (tars / "dataset.json").exists()


def test_a_tar_that_changes_while_tars_are_read_is_left_out(tars: Path) -> None:
    def meddle(step: Step) -> None:
        if step.tars == 1:
            os.utime(tars / "00001.tar", ns=(1, 1))

    report = index_tars(str(tars), on_tar=meddle)
    assert list(report.damaged) == ["00001.tar"] and "changed while it was read" in report.damaged["00001.tar"]


@pytest.mark.parametrize(
    ("files", "options", "texts"),
    [
        (
            [("0.input.jpg", b"x"), ("0.outputs.txt", b"y")],
            {"media": "input.jpg", "text_members": "outputs.txt"},
            [{"caption": "y"}],
        ),
        ([("0.jpg", b"x"), ("0.caption.txt", b"y")], {"text_members": "caption.txt"}, [{"caption": "y"}]),
        ([("i/0.jpg", b"x"), ("t/0.txt", b"y")], {"key_from": "name"}, [{"caption": "y"}]),
        ([("v.0_1.5.mp4", b"x"), ("v.0_1.5.txt", b"y")], {"key_until": "last_dot"}, [{"caption": "y"}]),
        ([("0.jpg", b"x"), ("0.json", b'{"alt": "y"}')], {"text_field": "alt"}, [{"alt": "y", "caption": "y"}]),
        ([("0.jpg", b"x"), ("0.json", b'{"label": 3}')], {"text_field": ""}, [{"label": 3}]),
        (
            [("0.jpg", b"x"), ("0.json", b'{"caption": {"en": ["y", "z"]}}')],
            {"text_field": "caption.en"},
            [{"caption": "y"}, {"caption": "z"}],
        ),
    ],
)
def test_the_reason_names_the_option_with_which_the_sample_is_good(
    tmp_path: Path, files: Files, options: dict[str, str], texts: list[dict[str, str]]
) -> None:
    write_tar(tmp_path / "d" / "0.tar", files)
    report = index_tars(str(tmp_path / "d"))
    assert (report.num_samples, report.share_quarantined) == (0, 1)
    rules = read_options(options)
    reasons = " ".join(report.quarantined)
    for option in rules.options().split():
        assert option in reasons or option in ("alt", "caption.en", "''")
    report = index_tars(str(tmp_path / "d"), looks=Looks(rules=rules))
    assert (report.num_samples, report.num_records, report.num_scanned) == (1, len(texts), 1)
    reader = Reader("d", str(tmp_path / "d"))
    found = [reader.read(0, row, np.random.default_rng(0)) for row in range(len(texts))]
    assert [{name: sample.record[name] for name in text} for sample, text in zip(found, texts, strict=True)] == texts
    assert {sample.media for sample in found} == {b"x"}
