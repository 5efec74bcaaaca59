"""Indexing tars made elsewhere: all of it can be read, damage is said, what is known is not read again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.errors import DatasetError, PatternError, WrongPlace
from shards.dataset.index.index import Index
from shards.dataset.indexing.index_report import IndexReport
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.tar_jobs import DamagedShard
from shards.dataset.members.rules import UNWRITTEN, MemberRules, read_options
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.pattern import find_tars
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.read.reader import Reader
from shards.read.sample import Sample, SampleError
from shards.storage.open import open_source
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

HEADERS, MEDIA = Looks(checksums=False), Looks(media=True)
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    """Three tars of four img2dataset samples; keys repeat from tar to tar."""
    folder = tmp_path / "cc"
    for shard in range(3):
        write_tar(folder / f"{shard:05d}.tar", img2dataset_files([f"{key:09d}" for key in range(4)]))
    return folder


def index_of(place: str | Path) -> Index:
    return Index.open(open_source(place))


def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
    plan = plan_clip(sample.facts, ClipConfig(num_frames=2, size=16), rng("clip"))
    meta = {"caption": sample.record["caption"], "origin": str(sample.origin)}
    return EncodedClip(sample.media, sample.facts.kind, plan, {"n": np.zeros(1, np.int64)}, meta)


def captions(folder: str | Path, **dataset: Any) -> list[str]:
    """One evaluation of a dataset through the loader, every clip decoded."""
    blend = (DatasetConfig(name="x", path=str(folder), **dataset),)
    config = LoaderConfig(blend=blend, batch_size=4, mode="eval", max_failure_rate=None)
    with Loader(config, 0, 1, encode) as loader:
        return [meta["caption"] for batch in loader for meta, ok in zip(batch.meta, batch.valid, strict=True) if ok]


# ------------------------------------------------------------ tars of other tools, through the loader


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


# ------------------------------------------------------------ what an index may leave out


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


# ------------------------------------------------------------ damage


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
    def meddle(done: int, total: int) -> None:
        if done == 1:
            os.utime(tars / "00001.tar", ns=(1, 1))

    report = index_tars(str(tars), on_shard=meddle)
    assert list(report.damaged) == ["00001.tar"] and "changed while it was read" in report.damaged["00001.tar"]


# ------------------------------------------------------------ again, and again after a crash


def test_a_second_run_reads_only_what_is_new_or_changed(tars: Path) -> None:
    first = index_tars(str(tars))
    assert first.num_scanned == 3
    before = {name: (tars / name).read_bytes() for name in ("index.parquet", "shards.parquet", "quarantine.jsonl")}
    again = index_tars(str(tars))
    assert (again.num_scanned, again.num_shards, again.num_gone) == (0, 3, 0)
    assert {name: (tars / name).read_bytes() for name in before} == before
    write_tar(tars / "00001.tar", [*img2dataset_files(["new"]), ("odd", b"x")])
    write_tar(tars / "00003.tar", img2dataset_files(["a", "b"]))
    (tars / "00000.tar").unlink()
    report = index_tars(str(tars))
    assert (report.num_scanned, report.num_shards, report.num_gone) == (2, 3, 1)
    assert (report.num_samples, report.num_quarantined) == (1 + 4 + 2, 1)
    opened = index_of(tars)
    assert [list(opened.rows(shard).keys) for shard in (0, 2)] == [["new"], ["a", "b"]]
    # A third run keeps the quarantine of shards that it does not read.
    assert index_tars(str(tars)).num_quarantined == 1
    [line] = (tars / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "shard": "00001.tar",
        "key": None,
        "member": "odd",
        "reason": "the name has no key: it should be KEY.EXTENSION; rename it, if it belongs to a sample",
    }


def test_other_looks_read_everything_again(tars: Path) -> None:
    index_tars(str(tars), looks=HEADERS)
    assert index_tars(str(tars)).num_scanned == 3
    assert index_tars(str(tars), looks=MEDIA).num_scanned == 3
    assert index_of(tars).has_key_frames
    assert index_tars(str(tars), looks=MEDIA).num_scanned == 0
    assert index_of(tars).has_key_frames


def test_an_incremental_index_is_the_one_that_a_whole_run_makes(tars: Path, tmp_path: Path) -> None:
    index_tars(str(tars / "{00000,00002}.tar"), looks=MEDIA)
    index_tars(str(tars), looks=MEDIA)
    index_tars(str(tars), str(tmp_path / "whole"), looks=MEDIA)
    for name in ("index.parquet", "shards.parquet"):
        assert (tars / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_old_index_is_valid_until_the_new_one_is_written(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_tars(str(tars))
    write_tar(tars / "00003.tar", img2dataset_files(["a"]))
    seen = []

    def look(done: int, total: int) -> None:
        seen.append(index_of(tars).dataset["num_samples"])

    index_tars(str(tars), on_shard=look)
    assert seen == [12] and index_of(tars).dataset["num_samples"] == 13


@pytest.mark.parametrize("name", ["index.parquet", "shards.parquet", "quarantine.jsonl", "dataset.json"])
def test_a_run_that_stops_while_files_are_put_in_place_is_finished_by_the_next(
    tars: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    index_tars(str(tars))
    write_tar(tars / "00003.tar", img2dataset_files(["a"]))
    replace = os.replace

    def stop(source: str, path: str) -> None:
        if os.path.basename(path) == name:
            raise KeyboardInterrupt
        replace(source, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            index_tars(str(tars))
    report = index_tars(str(tars))
    assert report.num_samples == index_of(tars).dataset["num_samples"] == 13
    assert sorted(os.listdir(tars))[4:] == ["dataset.json", "index.parquet", "quarantine.jsonl", "shards.parquet"]


KILLED = """
import os, signal, sys
from shards.dataset.indexing.indexer import index_tars

def kill(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

index_tars(sys.argv[1], jobs=int(sys.argv[2]), on_shard=kill)
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_with_the_shards_that_are_left_and_leaves_no_process(
    tars: Path, tmp_path: Path, jobs: int
) -> None:
    script = tmp_path / "run.py"
    script.write_text("if __name__ == '__main__':" + KILLED.replace("\n", "\n    "))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        [sys.executable, str(script), str(tars), str(jobs)], env=environment, stderr=subprocess.PIPE, process_group=0
    )
    # The pipe ends when the last process that holds it is gone.
    _, errors = run.communicate(timeout=250)
    assert run.returncode == -signal.SIGKILL, errors
    assert not (tars / "dataset.json").exists() and len(os.listdir(tars / "unfinished")) >= 3
    report = index_tars(str(tars))
    assert report.num_samples == 12 and report.num_scanned <= 1
    assert not (tars / "unfinished").exists()


def test_a_part_that_is_not_whole_is_made_again(tars: Path) -> None:
    damage(tars)
    with pytest.raises(DamagedShard, match="strict"):
        index_tars(str(tars), strict=True)
    [part] = (tars / "unfinished").glob("*.arrow")
    part.write_bytes(part.read_bytes()[:100])
    assert index_tars(str(tars)).num_scanned == 1


def test_parallel_runs_write_the_same_index(tars: Path, tmp_path: Path) -> None:
    index_tars(str(tars), str(tmp_path / "one"), looks=MEDIA)
    index_tars(str(tars), str(tmp_path / "two"), name="one", looks=MEDIA, jobs=2)
    for name in ("index.parquet", "shards.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


# ------------------------------------------------------------ patterns


def test_patterns_name_tars_of_one_folder(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tars / "notes.txt").write_text("x")
    names = ["00000.tar", "00001.tar", "00002.tar"]
    for pattern in (tars, f"{tars}/", f"{tars}/*.tar", f"{tars}/0000?.tar", f"{tars}/{{00000..00002}}.tar"):
        assert find_tars(str(pattern)) == (str(tars), names)
    assert find_tars(f"file://{tars}/{{00000,00002}}.tar") == (str(tars), names[::2])
    assert find_tars(f"{tars}/00001.tar") == (str(tars), names[1:2])
    monkeypatch.chdir(tars)
    assert find_tars("*.tar") == find_tars(".") == (str(tars), names)
    assert find_tars("s3://b/x/{0..2}.tar") == ("s3://b/x", ["0.tar", "1.tar", "2.tar"])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{a,b}/0.tar", "names several folders.*index each folder and blend"),
        ("x/*/0.tar", "names several folders"),
        ("x/{0..3.tar", "braces do not close|not found"),
        ("nowhere", "nowhere: not found"),
        ("nowhere/{0..3}.tar", "not found; there is no folder .*nowhere, check the path"),
        ("cc/{7..9}.tar", "not found; names 3 tars, and none of them is in .*cc"),
        ("cc/00001.tar", r"is one tar of a folder with 2 more, .* index /.*cc; this one alone: .* --out FOLDER"),
        ("cc/*.zip", "no tar found"),
    ],
)
def test_patterns_that_name_nothing_of_use_are_refused(
    tars: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, message: str
) -> None:
    monkeypatch.chdir(tars.parent)
    with pytest.raises(PatternError, match=message):
        index_tars(pattern)


def test_an_unfinished_conversion_is_left_alone(tars: Path) -> None:
    (tars / "unfinished").mkdir()
    (tars / "unfinished" / "conversion.json").write_text("{}")
    with pytest.raises(WrongPlace, match="holds an unfinished conversion"):
        index_tars(str(tars))
    assert (tars / "unfinished" / "conversion.json").exists()


def test_a_report_is_plain_numbers_and_texts(tars: Path) -> None:
    report = index_tars(str(tars))
    assert isinstance(report, IndexReport)
    assert json.loads(json.dumps(report.to_dict()))["num_samples"] == 12


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


def test_rules_are_of_an_index_and_a_new_one_reads_all_tars(tmp_path: Path) -> None:
    tars = tmp_path / "d"
    write_tar(tars / "0.tar", [("0.jpg", b"x"), ("0.png", b"x"), ("0.txt", b"y")])
    assert index_tars(str(tars)).num_scanned == 1 and index_tars(str(tars)).num_scanned == 0
    rules = MemberRules(media=("png",))
    assert not index_tars(str(tars)).notes
    report = index_tars(str(tars), looks=Looks(rules=rules))
    assert report.num_scanned == 1 and index_of(tars).rules == rules
    assert any("made with none of these options; this one is made with other options" in note for note in report.notes)
    dataset = json.loads((tars / "dataset.json").read_text())
    assert dataset["members"]["media"] == ["png"]
    dataset["members"]["media"] = ["txt"]
    (tars / "dataset.json").write_text(json.dumps(dataset))
    with pytest.raises(DatasetError, match=r"dataset.json: members: .*'txt' is neither"):
        index_of(tars)
    del dataset["members"]  # as 2bab904 wrote it
    (tars / "dataset.json").write_text(json.dumps(dataset))
    assert index_of(tars).rules == UNWRITTEN
    assert index_tars(str(tars)).num_scanned == 1


def test_a_number_that_is_none_and_a_second_medium_are_noted_also_by_a_run_that_was_stopped(tmp_path: Path) -> None:
    files = [("0.jpg", b"x"), ("0.mp4", b"x"), ("0.json", b'{"caption": "a", "similarity": NaN}')]
    for shard in range(2):
        write_tar(tmp_path / "d" / f"{shard}.tar", files)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_tars(str(tmp_path / "d"), on_shard=stop)
    notes = index_tars(str(tmp_path / "d")).notes
    assert sorted(notes.values()) == [2, 2]
    assert any("read as null" in note for note in notes) and any("video taken" in note for note in notes)
