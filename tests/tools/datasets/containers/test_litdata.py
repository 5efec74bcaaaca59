"""LitData folders in all forms that its writer has, to a decoded batch; damaged chunks and hostile indices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.containers.given import CLIPS, FIXTURES, OF_CLIPS, change_json, copy_of
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import litdata
from tools.rows import AnnotationError, BadRow, OptionError, Row


def test_a_folder_becomes_a_decoded_batch(tmp_path: Path) -> None:
    records = decoded("litdata", tmp_path / "out", "--data", FIXTURES / "litdata/batch")
    assert [record["caption"] for record in records] == OF_CLIPS


@pytest.mark.parametrize("form", ["plain", "batch", "chunk", "sample", "arrow"])
def test_every_form_of_chunks_gives_the_same_items(form: str) -> None:
    rows = list(litdata.rows(FIXTURES / "litdata" / form))
    for number, row in enumerate(rows):
        assert isinstance(row, Row)
        assert (row.media, row.ext, row.key) == (CLIPS[number], "mp4", str(number))
        assert row.records == ({"caption": OF_CLIPS[number]},)
        more = {} if form == "arrow" else {"ok": True, "length": 1.5}
        assert row.meta == {"id": str(number), **more}
    assert len(rows) == 3


def test_lists_of_pictures_are_frames_and_lists_of_texts_are_captions(tmp_path: Path) -> None:
    records = decoded("litdata", tmp_path / "out", "--data", FIXTURES / "litdata/frames")
    assert [record["caption"] for record in records] == ["a ginger cat looks up", "a narrow alley at night"]
    (row,) = litdata.rows(FIXTURES / "litdata/frames")
    assert isinstance(row, Row) and row.ext == "zip" and b"00002.jpg" in (row.media or b"")


@pytest.mark.parametrize(("form", "lost"), [("plain", 1), ("batch", 1), ("chunk", 3), ("sample", 1), ("arrow", 1)])
def test_a_chunk_that_was_cut_off_costs_what_is_lacking(tmp_path: Path, form: str, lost: int) -> None:
    folder = copy_of(f"litdata/{form}", tmp_path)
    chunk = max(folder.glob("*.bin"))
    chunk.write_bytes(chunk.read_bytes()[:-20])
    rows = list(litdata.rows(folder))
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert len(rows) == 3 and len(bad) >= min(lost, 1), rows
    for row in bad:
        assert row.reason.startswith(f"malformed line: {form} {chunk.name} item ") and "; " in row.reason


def test_a_missing_chunk_costs_its_items(tmp_path: Path) -> None:
    folder = copy_of("litdata/plain", tmp_path)
    (folder / "chunk-0-0.bin").unlink()
    one, two, good = litdata.rows(folder)
    assert isinstance(one, BadRow) and isinstance(two, BadRow) and isinstance(good, Row) and good.key == "2"
    assert one.reason == (
        "media not found: plain chunk-0-0.bin item 1: the file is missing; fetch it again, or accept the loss"
    )


def test_an_item_whose_sizes_lie_costs_itself(tmp_path: Path) -> None:
    folder = copy_of("litdata/plain", tmp_path)
    chunk = folder / "chunk-0-0.bin"
    content = bytearray(chunk.read_bytes())
    start = int.from_bytes(content[4:8], "little")
    content[start : start + 4] = b"\xff\xff\xff\xff"
    chunk.write_bytes(bytes(content))
    lying, good, _ = litdata.rows(folder)
    assert isinstance(lying, BadRow) and "its leaves claim 4294967" in lying.reason and isinstance(good, Row)


def test_offsets_that_run_backwards_and_other_counts_cost_the_chunk(tmp_path: Path) -> None:
    folder = copy_of("litdata/plain", tmp_path)
    chunk = folder / "chunk-0-0.bin"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:8] + b"\1\0\0\0" + content[12:])
    assert all("its offsets run backwards" in row.reason for row in list(litdata.rows(folder))[:2])  # type: ignore[union-attr]
    chunk.write_bytes(b"\7\0\0\0" + content[4:])
    assert all("holds 7 items, the index says 2" in row.reason for row in list(litdata.rows(folder))[:2])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("chunks", 0, "filename"), "../chunk.bin", r"names the file '../chunk.bin', which is no path inside"),
        (("config", "encryption"), {"algorithm": "fernet"}, r"the chunks are encrypted; write them again"),
        (("config", "item_loader"), "TokensLoader", r"holds items for TokensLoader, which are no samples with media"),
        (("config", "data_spec"), '[1, {"type": 3}]', r"data_spec cannot be read"),
        (("config", "data_format"), ["bytes", "str"], r"data_spec names 5 leaves .*, data_format 2"),
        (("chunks", 0, "chunk_size"), -1, r"chunk-0-0.bin has -1 items, which makes no sense"),
        (("chunks",), [], r"names no chunks"),
        (("config",), 3, r"is no index of LitData chunks \(TypeError"),
    ],
)
def test_an_index_that_makes_no_sense_is_refused(
    tmp_path: Path, keys: tuple[str, ...], value: object, message: str
) -> None:
    folder = copy_of("litdata/plain", tmp_path)
    change_json(folder / "index.json", *keys, value=value)
    with pytest.raises(AnnotationError, match=message):
        list(litdata.rows(folder))


def test_pickled_leaves_are_refused() -> None:
    with pytest.raises(OptionError, match=r"the column 'extra' holds pickles"):
        litdata.rows(FIXTURES / "litdata/pickled")
    (row,) = litdata.rows(FIXTURES / "litdata/pickled", leave_out="extra")
    assert isinstance(row, Row) and row.ext == "jpg"
