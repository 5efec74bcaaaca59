"""Parts that several machines indexed become the index that one run would have written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.merge import merge
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from shards.storage.open import open_source
from tests.shards.foreign_tars import img2dataset_files, write_tar

MEDIA = Looks(media=True)


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    for shard in range(4):
        files = [*img2dataset_files([f"k{key}" for key in range(2 + shard)]), ("odd", b"x")]
        write_tar(tmp_path / "cc" / f"{shard:05d}.tar", files)
    return tmp_path / "cc"


@pytest.fixture
def parts(tars: Path, tmp_path: Path) -> list[str]:
    index_tars(str(tars / "{00001,00003}.tar"), str(tmp_path / "part1"), looks=MEDIA)
    index_tars(str(tars / "{00000,00002,00004}.tar"), str(tmp_path / "part2"), looks=MEDIA)
    return [str(tmp_path / "part1"), str(tmp_path / "part2")]


def test_the_whole_is_what_one_run_writes(tars: Path, parts: list[str], tmp_path: Path) -> None:
    report = merge(str(tmp_path / "whole"), parts)
    index_tars(str(tars), str(tmp_path / "once"), looks=MEDIA)
    for name in ("index.parquet", "shards.parquet", "quarantine.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    assert (report.num_shards, report.num_samples, report.num_quarantined) == (4, 14, 4)
    assert list(report.damaged) == ["00004.tar"] and "not found" in report.damaged["00004.tar"]
    one, other = (json.loads((tmp_path / place / "dataset.json").read_text()) for place in ("whole", "once"))
    assert one | {"provenance": 0} == other | {"provenance": 0} and one["root"] == str(tars)


def test_the_whole_may_lie_beside_the_tars_and_be_brought_up_to_date(tars: Path, parts: list[str]) -> None:
    merge(str(tars), [*parts, parts[0]], "all")
    dataset = Index.open(open_source(tars)).dataset
    assert "root" not in dataset and dataset["name"] == "all"
    assert index_tars(str(tars), looks=MEDIA).num_scanned == 0


def test_parts_that_do_not_belong_together_are_refused(
    tars: Path, parts: list[str], tmp_path: Path, build_dataset: Callable[..., str]
) -> None:
    out = str(tmp_path / "whole")
    headers = index_tars(str(tars), str(tmp_path / "headers"), looks=Looks(checksums=False)).out
    with pytest.raises(DatasetError, match=r"headers: checksums is False, but True in .*part1"):
        merge(out, [parts[0], headers])
    looks = MEDIA._replace(rules=MemberRules(media=("image",)))
    pictures = index_tars(str(tars), str(tmp_path / "pictures"), looks=looks).out
    with pytest.raises(DatasetError, match=r"pictures: rules is '--media-members image', but '' in .*part1"):
        merge(out, [parts[0], pictures])
    write_tar(tmp_path / "other" / "0.tar", img2dataset_files(["a"]))
    other = index_tars(str(tmp_path / "other"), looks=MEDIA).out
    with pytest.raises(DatasetError, match=r"other: root is .*other', but .*cc' in .*part1"):
        merge(out, [parts[0], other])
    with pytest.raises(DatasetError, match="toy: was not made by indexing"):
        merge(out, [parts[0], build_dataset(tmp_path / "toy")])
    with pytest.raises(DatasetError, match="written with an index of their own"):
        merge(str(tmp_path / "toy"), parts)
    write_tar(tars / "00001.tar", img2dataset_files(["new"]))
    index_tars(str(tars / "00001.tar"), str(tmp_path / "part3"), looks=MEDIA)
    with pytest.raises(DatasetError, match=r"part3: differs from another part about 00001\.tar"):
        merge(out, [*parts, str(tmp_path / "part3")])
    assert not (tmp_path / "whole").exists()
