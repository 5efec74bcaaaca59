"""What comes out holds the same members and facts, every sample is accounted for, and a killed run goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shards.base.engines import threads
from shards.base.errors import ConversionError, DatasetError, WrongPlace
from shards.cli.app import app
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.missing_facts import missing_facts
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from shards.storage.open import open_source
from tests.shards.dataset.indexing.indexed import HEADERS, MEDIA, captions
from tests.shards.foreign_tars import img2dataset_files, picture, video2dataset_files, write_tar
from tests.tools.reshard.copies import contents, keys, known, members, write_ours
from tools.reshard import copied as copying
from tools.reshard.reshard import Arrangement, ReshardReport, reshard
from tools.reshard.splits import read_splits

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ours(tmp_path_factory.mktemp("reshard") / "ours")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Tars of another tool with capitals, folders, long and odd names, times in pax headers, and a stray."""
    long = "a" * 120
    files = [
        *img2dataset_files(["00000/0001", "00000/0002"]),
        (f"{long}.JPG", picture(1)),
        (f"{long}.txt", b"long"),
        ("café.jpg", picture(2)),
        ("café.txt", "é".encode()),
        ("odd", b"no key"),
    ]
    write_tar(tmp_path / "foreign" / "0.tar", files, mtime=1.5, form=1 + 1)
    write_tar(tmp_path / "foreign" / "1.tar", video2dataset_files(["v"]))
    index_tars(str(tmp_path / "foreign"), looks=MEDIA)
    return tmp_path / "foreign"


def run(sources: list[Path | str], out: Path | str, split: str | None = None, **settings: Any) -> ReshardReport:
    options = {name: settings.pop(name) for name in ("name", "roots", "engine") if name in settings}
    arrangement = Arrangement(**{"samples_per_shard": 4, **settings})
    return reshard([*map(str, sources)], str(out), arrangement, read_splits(split) or None, **options)


def check_whole(place: Path) -> None:
    done = CliRunner().invoke(app, ["verify", str(place), "--json"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("seed", [None, 0])
def test_members_and_all_that_is_known_come_along_and_nothing_is_probed(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int | None
) -> None:
    monkeypatch.delattr(copying, "probe_table")
    report = run([ours], tmp_path / "out", seed=seed)
    assert (report.num_in, report.num_samples, report.num_quarantined, report.num_left_out) == (10, 10, 0, 0)
    assert (report.num_shards, report.num_records, report.name) == (3, 15, "ours")
    assert members(tmp_path / "out") == members(ours) and known(tmp_path / "out") == known(ours)
    assert (keys(tmp_path / "out") == keys(ours)) == (seed is None)
    said = Index.open(open_source(tmp_path / "out")).dataset["provenance"]
    assert Index.open(open_source(tmp_path / "out")).dataset["licence"] == "ours's"
    assert said["tool"] == "tools reshard" and said["sources"][0]["provenance"] == {"from": "ours"}
    again = run([ours], tmp_path / "out", seed=seed)
    assert again.finished_before and again.num_samples == 10
    with pytest.raises(DatasetError, match=r"holds a finished dataset already.*provenance\.where = None, this one"):
        run([ours], tmp_path / "out", seed=seed, where="width > 0")


def test_tars_of_other_tools_keep_names_rules_and_what_is_known(foreign: Path, tmp_path: Path) -> None:
    report = run([foreign], tmp_path / "out")
    assert report.num_samples == 5 and report.num_quarantined_before == 1
    expected = members(foreign)
    del expected["odd"]
    assert members(tmp_path / "out") == expected and known(tmp_path / "out") == known(foreign)
    one, other = (Index.open(open_source(place)) for place in (foreign, tmp_path / "out"))
    assert one.rules == other.rules and missing_facts(other) == ""
    assert captions(tmp_path / "out") == captions(foreign)
    check_whole(tmp_path / "out")


def test_folders_outside_of_keys_and_keys_with_dots_stay(tmp_path: Path) -> None:
    files = [("i/v.0_1.5.jpg", picture(0)), ("t/v.0_1.5.txt", b"y")]
    write_tar(tmp_path / "d" / "0.tar", files)
    rules = MemberRules(key_from="name", key_until="last_dot")
    index_tars(str(tmp_path / "d"), looks=Looks(media=True, rules=rules))
    run([tmp_path / "d"], tmp_path / "out")
    assert members(tmp_path / "out") == dict(files) and captions(tmp_path / "out") == ["y"]
    run([tmp_path / "d"], tmp_path / "prefixed", prefix_by="both")
    assert members(tmp_path / "prefixed").keys() == {"i/d-0-v.0_1.5.jpg", "t/d-0-v.0_1.5.txt"}
    assert keys(tmp_path / "prefixed") == ["d-0-v.0_1.5"] and captions(tmp_path / "prefixed") == ["y"]


def test_what_an_index_does_not_know_is_found_from_the_bytes(foreign: Path, tmp_path: Path) -> None:
    for name, looks in (("headers", HEADERS), ("plain", Looks())):
        index_tars(str(foreign), str(tmp_path / name), looks=looks)
        run([tmp_path / name], tmp_path / "of" / name, roots=(str(foreign),))
        assert known(tmp_path / "of" / name) == known(foreign)
        assert Index.open(open_source(tmp_path / "of" / name)).verified


def test_a_subset_is_what_conditions_and_lists_leave_and_the_rest_is_counted(ours: Path, tmp_path: Path) -> None:
    listed = tmp_path / "leave.jsonl"
    listed.write_text('{"key": "k01"}\n{"key": "k07", "shard": "000002.tar"}\n{"key": "k02", "shard": "000002.tar"}\n')
    report = run([ours], tmp_path / "out", where="kind == 'image'", exclude=(str(listed),))
    assert keys(tmp_path / "out") == [f"k{number:02d}" for number in (2, 3, 4, 6, 8, 9)]
    assert (report.num_in, report.num_rows, report.num_left_out) == (10, 6, 4)
    with pytest.raises(ValueError, match=r"where 'width > 1e9' leaves none of 10 samples"):
        run([ours], tmp_path / "none", where="width > 1e9")


def test_a_key_is_in_the_same_split_of_every_dataset(ours: Path, tmp_path: Path) -> None:
    report = run([ours], tmp_path / "out", "train=0.5,val=0.25", seed=1)
    found = {split: set(keys(tmp_path / "out" / split)) for split in ("train", "val")}
    assert report.splits.keys() == found.keys() and not found["train"] & found["val"]
    assert sum(map(len, found.values())) == report.num_samples == 10 - report.num_left_out
    other = write_ours(tmp_path / "other", "other", range(40))
    run([other], tmp_path / "more", "train=0.5,val=0.5", prefix_by="dataset")
    train = {key.removeprefix("other-") for key in keys(tmp_path / "more" / "train")}
    assert found["train"] <= train and not found["val"] & train and 10 < len(train) < 30
    whole = run([other], tmp_path / "whole", "all=1")
    assert whole.num_samples == 40 and Index.open(open_source(tmp_path / "whole/all")).dataset["name"] == "other-all"
    again = run([ours], tmp_path / "out", "train=0.5,val=0.25", seed=1)
    assert again.finished_before and again.num_samples == report.num_samples
    with pytest.raises(ConversionError, match="split b: holds no sample"):
        run([ours], tmp_path / "few", "a=0.999999999,b=1e-9")


def test_datasets_become_one_and_equal_keys_are_refused_or_prefixed(ours: Path, tmp_path: Path) -> None:
    other = write_ours(tmp_path / "other", "the.other", range(8, 12))
    out = tmp_path / "out"
    expected = r"other/000000\.tar: has key 'k08', and so has .*ours/000002\.tar; .*--prefix dataset"
    with pytest.raises(WrongPlace, match=expected):
        run([ours, other], out)
    assert not out.exists()
    report = run([ours, other], out, prefix_by="dataset")
    assert (report.num_in, report.num_samples, report.name) == (14, 14, "ours+the.other")
    assert Index.open(open_source(out)).dataset["licence"] == "ours's; the.other's"
    assert keys(out)[8:12] == ["ours-k08", "ours-k09", "the-other-k08", "the-other-k09"]
    held = members(out)
    assert {name.split("-", 1)[1]: data for name, data in held.items() if name.startswith("ours-")} == members(ours)
    check_whole(out)
    with pytest.raises(WrongPlace, match="--prefix dataset: two of the datasets are called 'ours'"):
        run([ours, ours], tmp_path / "twice", prefix_by="dataset")


def test_keys_that_repeat_from_tar_to_tar_need_the_names_of_shards(tmp_path: Path) -> None:
    for shard in range(2):
        write_tar(tmp_path / "cc" / f"{shard}.tar", img2dataset_files(["a", "b"]))
    index_tars(str(tmp_path / "cc"), looks=MEDIA)
    with pytest.raises(WrongPlace, match=r"cc/1\.tar: has key 'a', and so has .*cc/0\.tar; .*--prefix shard"):
        run([tmp_path / "cc"], tmp_path / "out")
    run([tmp_path / "cc"], tmp_path / "out", prefix_by="shard")
    assert keys(tmp_path / "out") == ["0-a", "0-b", "1-a", "1-b"]


def test_datasets_of_other_rules_do_not_go_together(ours: Path, foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongPlace, match=r"foreign: its samples are made by other rules \(no options\)"):
        run([ours, foreign], tmp_path / "out")


def test_what_is_damaged_is_quarantined_with_its_place(foreign: Path, tmp_path: Path) -> None:
    index = Index.open(open_source(foreign))
    rows = index.rows(0)
    raw = bytearray((foreign / "0.tar").read_bytes())
    raw[rows.members(0)[0].offset + 10] ^= 1  # a byte of the medium
    raw[rows.members(1)[1].offset - 512 + 3] ^= 1  # a byte of a name
    (foreign / "0.tar").write_bytes(raw)
    report = run([foreign], tmp_path / "out")
    assert (report.num_samples, report.num_quarantined, report.num_in) == (3, 2, 5)
    lines = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    assert [line["record"] for line in lines] == ["0.tar:00000/0001", "0.tar:00000/0002"]
    assert ".jpg is damaged: checksum" in lines[0]["reason"] and "no header of .json stands where" in lines[1]["reason"]
    (foreign / "1.tar").unlink()
    with pytest.raises(OSError, match=r"1\.tar: not found"):
        run([foreign], tmp_path / "gone")


def test_tars_alone_are_read_by_webdataset_and_finished_once(ours: Path, tmp_path: Path) -> None:
    import webdataset

    out = tmp_path / "plain"
    report = run([ours], out, seed=2, with_index=False, bytes_per_shard=300_000)
    assert sorted(path.suffix for path in out.iterdir()) == [".json", ".jsonl", *[".tar"] * report.num_shards]
    urls = sorted(map(str, out.glob("*.tar")))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    found = {f"{s['__key__']}.{ext}": data for s in samples for ext, data in s.items() if not ext.startswith("__")}
    assert found == members(ours) and len(samples) == 10
    assert all(Path(url).stat().st_size <= 300_000 + 20_480 for url in urls)
    before = contents(out)
    assert run([ours], out, seed=2, with_index=False, bytes_per_shard=300_000).num_samples == 10
    assert contents(out) == before
    with pytest.raises(DatasetError, match=r"made of other inputs or with other options \(reshard\.json\)"):
        run([ours], out, seed=3, with_index=False, bytes_per_shard=300_000)


KILLED = """
import os, signal, sys, threading, time
from tools.reshard.reshard import Arrangement, reshard
from tools.reshard.splits import read_splits

def kill():
    time.sleep(float(sys.argv[3]))
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=kill, daemon=True).start()
reshard([sys.argv[1]], sys.argv[2], Arrangement(2, seed=5, with_index=sys.argv[4] == "1"), read_splits("a=0.6,b=0.4"))
"""


@pytest.mark.long
@pytest.mark.parametrize("with_index", [True, False])
def test_a_run_that_is_killed_at_random_moments_gives_the_same_bytes(tmp_path: Path, with_index: bool) -> None:
    source = write_ours(tmp_path / "ours", "ours", range(40))
    settings: dict[str, Any] = {"samples_per_shard": 2, "seed": 5, "with_index": with_index}
    run([source], tmp_path / "once", "a=0.6,b=0.4", **settings)
    draw, number_killed = random.Random(0), 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(3):
        words = [sys.executable, "-c", KILLED, str(source), str(tmp_path / "killed"), str(draw.uniform(0.0, 0.4))]
        done = subprocess.run([*words, str(int(with_index))], env=environment, capture_output=True, timeout=250)
        number_killed += done.returncode == -signal.SIGKILL
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
    run([source], tmp_path / "killed", "a=0.6,b=0.4", **settings)
    assert number_killed and contents(tmp_path / "killed") == contents(tmp_path / "once")


@pytest.mark.long
def test_it_works_from_s3_to_s3(ours: Path, tmp_path: Path, s3_server: Any, use_s3: Callable[..., None]) -> None:
    use_s3(s3_server)
    for path in ours.iterdir():
        s3_server.client().upload_file(str(path), s3_server.bucket, f"reshard/from/{path.name}")
    root = f"s3://{s3_server.bucket}/reshard"
    run([f"{root}/from"], f"{root}/to", seed=1, engine=threads(4))
    run([ours], tmp_path / "here", seed=1)
    assert known(f"{root}/to") == known(tmp_path / "here")
    for path in (tmp_path / "here").glob("*.tar"):
        assert open_source(f"{root}/to").read(path.name) == path.read_bytes()
    plain = run([f"{root}/from"], f"{root}/plain", with_index=False)
    listed = open_source(f"{root}/plain").list()
    assert listed == [*(f"{n:06d}.tar" for n in range(plain.num_shards)), "quarantine.jsonl", "reshard.json"]
    assert run([f"{root}/from"], f"{root}/plain", with_index=False).finished_before
