"""The driver accounts for every row, loses none and repeats none over a crash, and lets no bad row stop a build."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shards.base.engines import LOOK_AHEAD
from shards.base.errors import ConversionError, DatasetError
from tests.tools.watching import watch
from tools.building.build import build
from tools.datasets.pretraining import webvid
from tools.rows import MALFORMED, BadRow, Row

CAPTION = ({"caption": "a picture"},)


@pytest.fixture
def pictures(samples: Path) -> list[Path]:
    return sorted((samples / "images").glob("*.jpg"))


def rows_of(paths: list[Path]) -> list[Row]:
    return [Row(f"line {n}", f"{n:04d}", CAPTION, {"id": path.name}, path) for n, path in enumerate(paths, 1)]


def members(folder: Path) -> dict[str, bytes]:
    found = {}
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                found[member.name] = file.read()
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def quarantine(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "quarantine.jsonl").read_text().splitlines()]


def test_media_go_in_byte_for_byte_in_the_order_of_the_rows(samples: Path, tmp_path: Path) -> None:
    rows = list(webvid.rows(samples / "webvid/results_2M_train.csv", samples))
    report = build(rows, str(tmp_path / "out"), "webvid", "results_2M_train.csv", samples_per_shard=10)
    assert (report.num_rows, report.num_samples, report.num_records, report.num_quarantined) == (24, 24, 24, 0)
    assert report.num_shards == 3 and report.bytes == sum(p.stat().st_size for p in (tmp_path / "out").glob("*.tar"))
    found = members(tmp_path / "out")
    keys = [Path(name).stem for name in found]
    assert keys[::2] == [row.key for row in rows if isinstance(row, Row)]
    for row in rows:
        assert isinstance(row, Row) and row.media_path is not None
        assert found[f"{row.key}.{row.extension}"] == row.media_path.read_bytes()
        assert json.loads(found[f"{row.key}.json"]) == {"records": list(row.records), **row.meta}
    assert json.loads((tmp_path / "out/dataset.json").read_text())["num_samples"] == 24


def test_every_kind_of_bad_row_is_quarantined_with_file_line_and_remedy(pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    good = rows_of(pictures[:2])
    vanished, empty, page, foreign = rows_of(
        [tmp_path / "gone.jpg", tmp_path / "empty.jpg", tmp_path / "page.jpg", tmp_path / "a.exe"]
    )
    twice = replace(good[0], record_id="line 9", media_path=pictures[2])
    not_json = replace(good[1], record_id="line 10", key="new", meta={"id": float("nan")})
    malformed = BadRow.at("line 11", "x/a.csv", "malformed line", "no id")
    bad = [vanished, empty, page, foreign, twice, not_json, malformed]
    bad = [replace(row, key=f"k{n}") if n < 4 and isinstance(row, Row) else row for n, row in enumerate(bad)]
    report = build([*good, *bad], str(tmp_path / "out"), "d", "a.csv")
    assert (report.num_rows, report.num_samples, report.num_quarantined) == (9, 2, 7)
    assert report.quarantined == {"unusable media": 4, "malformed line": 2, "duplicate key": 1}
    lines = quarantine(tmp_path / "out")
    reasons = [line["reason"] for line in lines]
    assert reasons[0] == (
        f"unusable media: a.csv line 1: {tmp_path}/gone.jpg: cannot be read (No such file or directory); correct it, "
        "or accept the loss"
    )
    assert reasons[1].startswith(f"unusable media: a.csv line 2: {tmp_path}/empty.jpg: is empty; fetch it again")
    assert reasons[2].startswith(f"unusable media: a.csv line 3: {tmp_path}/page.jpg: ")
    assert reasons[3].startswith(f"unusable media: a.csv line 4: {tmp_path}/a.exe: extension 'exe' is none of mp4, ")
    assert reasons[4].startswith(
        "duplicate key: a.csv line 9: key '0001' of input row 6 is taken already by sample 0 of"
    )
    assert reasons[4].endswith("remove or rename one of the two")
    assert reasons[5].startswith("malformed line: a.csv line 10: key 'new': records or meta cannot be written as json")
    assert reasons[6] == "malformed line: a.csv line 11: no id"
    assert [line["record"] for line in lines] == [f"line {n}" for n in (1, 2, 3, 4, 9, 10, 11)]
    assert [line["row"] for line in lines] == list(range(2, 9))


def test_rendered_media_need_no_file(pictures: list[Path], tmp_path: Path) -> None:
    rows = (Row(f"clip {n}", f"{n}", CAPTION, media=p.read_bytes(), ext="jpg") for n, p in enumerate(pictures[:3]))
    report = build(rows, str(tmp_path / "out"), "shapes", "shapes")
    assert report.num_samples == 3 and set(members(tmp_path / "out")) >= {"0.jpg", "0.json", "2.jpg"}


def test_a_url_is_a_place_like_any_other(pictures: list[Path]) -> None:
    bad = BadRow.at("line 9", "a.csv", "no usable text", "empty")
    report = build([*rows_of(pictures[:3]), bad], "memory://tools/out", "d", "a.csv", samples_per_shard=2)
    assert (report.num_rows, report.num_samples, report.num_shards, report.quarantined) == (
        4,
        3,
        2,
        {"no usable text": 1},
    )


def test_dropped_records_are_counted_and_stand_in_the_sample(pictures: list[Path], tmp_path: Path) -> None:
    row = replace(rows_of(pictures[:1])[0], dropped=("line 1: caption 2 of 2: empty",))
    report = build([row], str(tmp_path / "out"), "d", "a.csv")
    assert (report.num_records, report.num_dropped) == (1, 1)
    assert report.dropped == ["line 1: caption 2 of 2: empty"]
    stored = json.loads(members(tmp_path / "out")["0001.json"])
    assert stored["dropped_records"] == ["line 1: caption 2 of 2: empty"]


class Killed(Exception):
    """Stands for whatever ends a build in the middle."""


@pytest.mark.parametrize("stop_after", [1, 7, 11, 12])
def test_a_build_that_was_cut_short_goes_on_to_the_same_bytes(
    pictures: list[Path], tmp_path: Path, stop_after: int
) -> None:
    originals = (pictures * 2)[:12]
    paths = [tmp_path / f"{n:02d}.jpg" for n in range(12)]
    for original, path in zip(originals, paths, strict=True):
        shutil.copy(original, path)
    rows: list[Row | BadRow] = [*rows_of(paths)]
    rows[1] = replace(rows_of(paths)[1], dropped=("line 2: caption 2 of 2: empty",))
    rows[3] = BadRow.at("line 4", "a.csv", "no usable text", "empty")
    rows[6] = replace(rows_of(paths)[6], key="0001")
    rows[11] = BadRow.at("line 12", "a.csv", "no usable text", "empty")
    whole = build(rows, str(tmp_path / "whole"), "d", "a.csv", samples_per_shard=2)

    def cut() -> Iterator[Row | BadRow]:
        yield from rows[:stop_after]
        raise Killed

    with pytest.raises(Killed):
        build(cut(), str(tmp_path / "out"), "d", "a.csv", samples_per_shard=2)
    assert not (tmp_path / "out/dataset.json").exists()
    num_done = len(list((tmp_path / "out").glob("*.tar"))) * 2
    for path in paths[:num_done]:
        path.unlink()  # what is done is neither read nor probed again
    report = build(rows, str(tmp_path / "out"), "d", "a.csv", samples_per_shard=2)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert report.num_resumed >= num_done
    assert replace(report, num_resumed=0, seconds=0, out="") == replace(whole, seconds=0, out="")
    assert (report.num_rows, report.num_samples, report.num_quarantined, report.num_dropped) == (12, 9, 3, 1)


def test_a_resume_with_other_inputs_is_refused(pictures: list[Path], tmp_path: Path) -> None:
    rows, out = rows_of(pictures[:6]), str(tmp_path / "out")

    def cut() -> Iterator[Row]:
        yield from rows
        raise Killed

    with pytest.raises(Killed):
        build(cut(), out, "d", "a.csv", samples_per_shard=1, provenance={"sha256": "1"})
    with pytest.raises(
        DatasetError, match=r"holds an unfinished conversion with provenance\.sha256 = '1', this one has '2'"
    ):
        build(rows, out, "d", "a.csv", samples_per_shard=1, provenance={"sha256": "2"})
    with pytest.raises(
        ConversionError, match=r"an earlier run had dealt with 2 rows, a\.csv gives only 1 now; give the same"
    ):
        build(rows[:1], out, "d", "a.csv", samples_per_shard=1, provenance={"sha256": "1"})


def test_no_rows_leave_no_folder_and_no_usable_rows_leave_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(
        ConversionError, match=r"a\.csv: holds no rows; give the annotation file of a split that has some"
    ):
        build([], str(tmp_path / "none"), "d", "a.csv")
    assert not (tmp_path / "none").exists()
    bad = [BadRow.at(f"line {n}", "a.csv", "media not found", "check --media") for n in (2, 3)]
    with pytest.raises(
        ConversionError, match=r"a\.csv: none of its 2 rows gave a sample.* media not found: a\.csv line 2: check"
    ):
        build(bad, str(tmp_path / "bad"), "d", "a.csv")
    assert not (tmp_path / "bad/dataset.json").exists()


def test_a_fault_of_the_machine_stops_the_build(pictures: list[Path], tmp_path: Path) -> None:
    good, faulty = rows_of([pictures[0], Path("/proc/self/mem")])  # reading address 0 gives an input/output error
    with pytest.raises(OSError, match="Input/output error"):
        build([good, replace(faulty, ext="jpg")], str(tmp_path / "out"), "d", "a.csv")
    assert not (tmp_path / "out/dataset.json").exists()


def test_rows_are_drawn_only_a_little_ahead_and_the_limit_is_kept(pictures: list[Path], tmp_path: Path) -> None:
    drawn, leads = 0, []

    def rows() -> Iterator[Row | BadRow]:
        nonlocal drawn
        for row in rows_of(pictures[:1] * 200):
            drawn += 1
            yield row

    report = build(
        rows(),
        str(tmp_path / "out"),
        "d",
        "a.csv",
        limit=30,
        progress=watch(lambda done, bad: leads.append(drawn - done)),
    )
    assert report.num_rows == report.num_samples == drawn == 30
    assert len(leads) == 30 and max(leads) <= 2 * LOOK_AHEAD + 1


@pytest.mark.parametrize(("lines", "held"), [(0, 2), (2, 4)])
def test_accounts_that_do_not_agree_are_refused(pictures: list[Path], tmp_path: Path, lines: int, held: int) -> None:
    rows = [*rows_of(pictures[:2]), BadRow.at("line 3", "a.csv", MALFORMED, "torn")]
    build(rows, str(tmp_path / "out"), "d", "a.csv")
    file = tmp_path / "out" / "quarantine.jsonl"
    file.write_text(file.read_text() * lines)
    with pytest.raises(
        ConversionError,
        match=rf"do not add up: 3 rows came in, the writer counted 3, samples and quarantine hold {held}; do not",
    ):
        build(rows, str(tmp_path / "out"), "d", "a.csv")


def test_odd_files_are_written_or_quarantined_and_none_stops_the_build(corpus: Path, tmp_path: Path) -> None:
    paths = sorted([*(corpus / "videos_odd").iterdir(), *(corpus / "images_odd").iterdir()])
    rows = [Row(f"line {n}", f"{n:04d}", CAPTION, {"id": path.name}, path) for n, path in enumerate(paths)]
    report = build(rows, str(tmp_path / "out"), "odd", "odd.csv")
    assert report.num_rows == len(paths) == report.num_samples + report.num_quarantined
    written = {Path(name).stem for name in members(tmp_path / "out")}
    lost = {paths[int(line["record"].split()[1])].name for line in quarantine(tmp_path / "out")}
    assert written | {f"{n:04d}" for n, path in enumerate(paths) if path.name in lost} == {row.key for row in rows}
    assert {"zero_bytes.mp4", "html_error_page.mp4", "audio_only.mp4", "random_bytes.mp4", "mp3_with_cover.mp3"} <= lost
    assert {"zero_bytes.jpg", "html_page.jpg", "svg_named.jpg", "bomb_20000x20000.png"} <= lost
    assert not {"one_frame.mp4", "UPPER CASE and späces.MP4", "quote's & percent%20.mp4", "gray_16bit.tif"} & lost


def test_odd_captions_end_written_or_quarantined(corpus: Path, tmp_path: Path) -> None:
    path = corpus / "annotations/odd_captions/results_2M_odd.csv"
    report = build(webvid.rows(path, corpus), str(tmp_path / "out"), "odd", path.name)
    assert (report.num_rows, report.num_samples, report.quarantined) == (16, 14, {"no usable text": 2})
    stored = json.load(io.BytesIO(members(tmp_path / "out")["9000004.json"]))
    assert stored["records"] == [{"caption": "line one\nline two"}]
