"""Parts i/n of one list of tars are together what one run makes, or are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shards.base.errors import DatasetError, PatternError, UsageError, WrongPlace
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.merge import merge
from shards.dataset.indexing.part import Part, read_part
from shards.storage.open import open_source
from tests.shards.dataset.indexing.indexed import MEDIA
from tests.shards.foreign_tars import img2dataset_files, write_tar


def part(tars: Path, number: int, of: int, out: Path | None = None, pattern: str = "") -> str:
    place = None if out is None else str(out)
    return index_tars(str(tars / pattern), place, looks=MEDIA, part=Part(number, of)).out


@pytest.mark.parametrize(("text", "expected"), [("1/1", (1, 1)), ("3/16", (3, 16)), (" 16 / 16 ", (16, 16))])
def test_a_part_is_i_of_n(text: str, expected: tuple[int, int]) -> None:
    assert read_part(text) == expected and read_part(None) is None


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "-1/4", "1/0", "a/b", "1/2/3", "1.0/2", "1/2000000", "٣/٤"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--shard '.*': is no part; say i/n with i from 1 to n"):
        read_part(text)


def test_parts_side_by_side_are_merged_to_what_one_run_makes(tars: Path, tmp_path: Path) -> None:
    write_tar(tars / "00003.tar", [*img2dataset_files(["a"]), ("odd", b"x")])
    (tars / "00004.tar").write_bytes(b"no tar" * 1000)
    places = [part(tars, number, 3) for number in (3, 1, 2)]
    assert [str(Path(place).relative_to(tars)) for place in places] == [f"parts/{n}-of-3" for n in (3, 1, 2)]
    report = merge(str(tmp_path / "whole"), places)
    assert list(report.damaged) == ["00004.tar"] and (report.num_samples, report.num_quarantined) == (13, 1)
    index_tars(str(tars), str(tmp_path / "once"), looks=MEDIA)
    for name in ("index.parquet", "shards.parquet", "quarantine.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    one, other = (json.loads((tmp_path / place / "dataset.json").read_text()) for place in ("whole", "once"))
    assert one | {"provenance": 0} == other | {"provenance": 0}
    assert merge(str(tmp_path / "whole"), places).num_samples == 13, "once more is the same"
    # An index beside the tars is brought up to date as if one run had made it, and so is a part.
    merge(str(tars))  # the parts that lie there
    assert index_tars(str(tars), looks=MEDIA).num_scanned == 0
    assert index_tars(str(tars), looks=MEDIA, part=Part(1, 3)).num_scanned == 0


def test_a_part_of_damaged_tars_alone_is_a_part(tars: Path, tmp_path: Path) -> None:
    (tars / "00001.tar").write_bytes(b"no tar" * 1000)
    places = [part(tars, number, 3, tmp_path) for number in (1, 2, 3)]
    assert Index.open(open_source(places[1])).dataset["num_shards"] == 0
    report = merge(str(tmp_path / "whole"), places)
    assert report.num_samples == 8 and list(report.damaged) == ["00001.tar"]
    for tar in tars.iterdir():
        tar.write_bytes(b"")
    places = [part(tars, number, 3, tmp_path / "x") for number in (1, 2, 3)]
    with pytest.raises(DatasetError, match=r"none of the 3 parts has a shard; .*0000[012]\.tar: ends at byte 0"):
        merge(str(tmp_path / "nothing"), places)


def test_parts_that_are_not_all_parts_of_one_list_are_refused(tars: Path, tmp_path: Path) -> None:
    one, two, three = (part(tars, number, 3, tmp_path / "a") for number in (1, 2, 3))
    out = str(tmp_path / "out")
    with pytest.raises(WrongPlace, match=r"is part 1 of 3, and of these 2 are missing: 2/3, 3/3; .*--shard 2/3"):
        merge(out, [one])
    with pytest.raises(WrongPlace, match=r"1-of-3: is part 1 of 3, and so is .*1-of-3; give each part once"):
        merge(out, [one, two, three, one])
    half = part(tars, 2, 2, tmp_path / "a")
    with pytest.raises(WrongPlace, match=r"2-of-2: is part 2 of 2, but .*1-of-3 is part 1 of 3"):
        merge(out, [one, half, three])
    with pytest.raises(WrongPlace, match=r"1-of-3: is part 1 of 3, but .*2-of-2 is part 2 of 2"):
        merge(str(tmp_path / "a"))
    whole = index_tars(str(tars), str(tmp_path / "w"), looks=MEDIA).out
    with pytest.raises(WrongPlace, match=r"w: was not made with --shard i/n, and .*1-of-3 is part 1 of 3"):
        merge(out, [whole, one, two, three])
    write_tar(tars / "00009.tar", img2dataset_files(["z"]))
    later = part(tars, 2, 3, tmp_path / "b")
    with pytest.raises(WrongPlace, match=r"is part 2 of 3 of 4 tars, and .* of 3 others; tars came or went"):
        merge(out, [one, later, three])
    dataset = json.loads((Path(two) / "dataset.json").read_text())
    for wrong in (3, {"number": 2, "of": 10**9, "num_tars": 3, "tars": ""}, {"number": "x"}):
        dataset["provenance"]["part"] = wrong
        (Path(two) / "dataset.json").write_text(json.dumps(dataset))
        with pytest.raises(WrongPlace, match=r"2-of-3: what dataset\.json says under provenance\.part is no part"):
            merge(out, [one, two, three])
    with pytest.raises(WrongPlace, match=r"out: has no parts; name the indexes to join, or make parts"):
        merge(out)
    assert not Path(out).exists()


def test_more_parts_than_tars_are_refused_in_every_job(tars: Path) -> None:
    for number in (1, 4):
        with pytest.raises(PatternError, match="names 3 tars, too few for 4 parts; say --shard i/3"):
            part(tars, number, 4)
    assert sorted(path.name for path in tars.iterdir()) == ["00000.tar", "00001.tar", "00002.tar"]


def test_parts_in_a_store_are_found_and_merged_there(tars: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    for path in tars.iterdir():
        files.pipe_file(f"/parts/cc/{path.name}", path.read_bytes())
    url = "memory://parts/cc"
    with pytest.raises(WrongPlace, match=r"memory://parts/cc: has no parts"):
        merge(url)
    for number in (1, 2):
        assert index_tars(url, looks=MEDIA, part=Part(number, 2)).out == f"{url}/parts/{number}-of-2"
    assert merge(url).num_samples == 12
    assert index_tars(url, looks=MEDIA).num_scanned == 0
