"""LAVENDER's TSVs of frames and VIOLET's of pictures, with and without .lineidx, to a decoded batch; bad lines."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tools.commands.command_line import invoke
from tests.tools.containers.given import PICTURES
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import lavender_tsv
from tools.rows import AnnotationError, BadRow, OptionError, Row

ENCODED = [base64.b64encode(picture).decode() for picture in PICTURES]


def write(folder: Path, lines: Sequence[str], texts: object, name: str = "img_set_train_0") -> tuple[Path, Path]:
    """A .tsv with its .lineidx, and the texts of the split train."""
    tsv, offset = folder / f"{name}.tsv", 0
    tsv.write_text("".join(f"{line}\n" for line in lines))
    with open(tsv.with_suffix(".lineidx"), "w") as index:
        for line in lines:
            index.write(f"{offset}\n")
            offset += len(line) + 1
    (folder / "txt_set.json").write_text(json.dumps(texts))
    return tsv, folder / "txt_set.json"


def test_frames_become_a_decoded_batch(tmp_path: Path) -> None:
    lines = [f"v{number}\t" + "\t".join(ENCODED) for number in range(2)]
    tsv, texts = write(tmp_path, lines, {"train": {"v0": ["one", "two"], "v1": ["three"]}})
    records = decoded("lavender_tsv", tmp_path / "out", "--data", tsv, "--annotations", texts, "--split", "train")
    assert [record["caption"] for record in records] == ["one", "two", "three"]


def test_one_picture_is_a_still_and_several_are_frames(tmp_path: Path) -> None:
    tsv, texts = write(tmp_path, [f"a\t{ENCODED[0]}", "b\t" + "\t".join(ENCODED)], {"train": {"a": ["x"], "b": ["y"]}})
    still, frames = lavender_tsv.rows(tsv, texts)
    assert isinstance(still, Row) and (still.record_id, still.ext, still.media) == ("line 1", "jpg", PICTURES[0])
    assert isinstance(frames, Row) and frames.ext == "zip" and all(p in (frames.media or b"") for p in PICTURES)


def test_questions_about_the_pictures_become_a_decoded_batch(tmp_path: Path) -> None:
    asked = {"video": "a", "question": "what is it?", "answer": 1, "answer_text": "a cat"}
    choice = {"video": "b", "question": "", **{f"option_{n}": f"caption {n}" for n in range(5)}, "answer": 3}
    texts = {"train": [asked, {**asked, "question": "who is it?"}], "test": [{**choice, "video": "c"}]}
    lines = [f"{key}\t{{}}\t" + "\t".join(ENCODED) for key in "ac"]
    tsv, path = write(tmp_path, lines, texts)
    options = ["--data", tsv, "--annotations", path, "--split"]
    (row,) = lavender_tsv.rows(tsv, path, "test")
    assert isinstance(row, Row) and row.key == "c" and row.records[0]["answer"] == "caption 3"
    told = decoded("lavender_tsv", tmp_path / "out", *options, "train")
    assert [(record["question"], record["answer"]) for record in told] == [
        ("what is it?", "a cat"),
        ("who is it?", "a cat"),
    ]


def test_a_line_of_another_split_is_passed_over_and_one_of_none_is_quarantined(tmp_path: Path) -> None:
    lines = [f"{key}\t{ENCODED[0]}" for key in "abc"]
    for texts in ({"train": {"a": ["x"]}, "val": {"b": ["y"]}}, {"train": [{"video": "a", "caption": "x"}],
                  "val": [{"video": "b", "caption": "y"}, 3, {}]}):  # fmt: skip
        tsv, path = write(tmp_path, lines, texts)
        good, bad = lavender_tsv.rows(tsv, path, "train")
        assert isinstance(good, Row) and good.key == "a"
        assert isinstance(bad, BadRow) and "line 3: id 'c' has no caption in txt_set.json" in bad.reason


def test_where_frames_begin_is_found_in_the_file_or_said(tmp_path: Path) -> None:
    lines = [f"{key}\t{{meta}}\t" + "\t".join(ENCODED) for key in "abc"]
    tsv, texts = write(tmp_path, lines, {"train": dict.fromkeys("abc", "x")})
    for first_frame in (None, 2):
        rows = list(lavender_tsv.rows(tsv, texts, first_frame=first_frame))
        assert [row.meta for row in rows if isinstance(row, Row)] == [{"id": k, "columns": ["{meta}"]} for k in "abc"]
        assert all(isinstance(row, Row) and all(picture in (row.media or b"") for picture in PICTURES) for row in rows)
    bad, *_ = lavender_tsv.rows(tsv, texts, first_frame=1)
    assert isinstance(bad, BadRow) and "column 1 is no base64" in bad.reason
    assert bad.reason.endswith("give the .tsv of pictures, or say where pictures begin with --first-frame 2")


def test_no_frame_is_lost_where_a_first_picture_is_broken(tmp_path: Path) -> None:
    """The release's readers begin at column 2 whatever the file is, and lose the first frame of its own tool's."""
    lines = ["a\t@@@\t" + "\t".join(ENCODED[1:]), *(f"{key}\t" + "\t".join(ENCODED) for key in "bc")]
    for some in (lines, lines[:2]):
        tsv, texts = write(tmp_path, some, {"train": dict.fromkeys("abc"[: len(some)], "x")})
        bad, *good = lavender_tsv.rows(tsv, texts)
        assert isinstance(bad, BadRow) and "line 1: id 'a': column 1 is no base64" in bad.reason
        assert all(isinstance(row, Row) and PICTURES[0] in (row.media or b"") for row in good)


def test_a_line_with_another_number_of_pictures_than_most_is_quarantined(tmp_path: Path) -> None:
    lines = [f"{key}\t" + "\t".join(ENCODED) for key in "abcd"]
    lines[2] = lines[2].rpartition("\t")[0]
    tsv, texts = write(tmp_path, lines, {"train": dict.fromkeys("abcd", "x")})
    rows = list(lavender_tsv.rows(tsv, texts))
    assert [type(row) for row in rows] == [Row, Row, BadRow, Row]
    assert isinstance(rows[2], BadRow) and rows[2].reason == (
        "unusable media: img_set_train_0.tsv line 3: id 'c': 2 picture(s) from column 1 on, expected 3; fetch it "
        "again, or take any number with --pictures-per-line 0"
    )
    assert all(isinstance(row, Row) for row in lavender_tsv.rows(tsv, texts, pictures_per_line=0))
    kept = [isinstance(row, Row) for row in lavender_tsv.rows(tsv, texts, pictures_per_line=2)]
    assert kept == [False, False, True, False]


def test_every_line_and_every_text_is_accounted_for(tmp_path: Path) -> None:
    lines = [f"a\t{ENCODED[0]}", "b\t@@@", "c", f"d\t{ENCODED[0]}", f"e\t{ENCODED[1]}", "f\tAAAA", f"g\t{ENCODED[0]}\t"]
    texts = {"train": {key: ["x"] for key in "abcfgz"} | {"e": ["", None]}}
    tsv, path = write(tmp_path, lines, texts)
    good, *bad = lavender_tsv.rows(tsv, path)
    assert isinstance(good, Row) and good.key == "a"
    reasons = [row.reason for row in bad if isinstance(row, BadRow)]
    assert len(reasons) == 7
    assert reasons[0].startswith("unusable media: img_set_train_0.tsv line 2: id 'b': column 1 is no base64 (")
    assert reasons[1].startswith("malformed line: img_set_train_0.tsv line 3: 1 column(s), pictures begin at column 1")
    assert reasons[2] == (
        "no usable text: img_set_train_0.tsv line 4: id 'd' has no caption in txt_set.json; check --split, or accept "
        "the loss"
    )
    assert reasons[3].startswith("no usable text: img_set_train_0.tsv line 5: no usable text in the column 'caption'")
    assert reasons[4].startswith("unusable media: img_set_train_0.tsv line 6: column 'frames': no medium that is read")
    assert reasons[5].startswith("unusable media: img_set_train_0.tsv line 7: column 'frames': is empty (0 bytes)")
    assert reasons[6] == (
        "media not found: txt_set.json id 'z': no medium with the id 'z' in img_set_train_0.tsv; give the container of "
        "this split"
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("0\n7\n", r"img_set_train_0.lineidx line 2: byte 7 is not the begin of a line; it is not that of img_set"),
        (
            "0\n99999999\n",
            r"lineidx line 2: byte 99,999,999 of [\d,]+; it is not that of .*make it again, or delete it",
        ),
        ("0\n0\n", r"lineidx line 2: byte 0, after 0; "),
        ("0\nx\n", r"lineidx line 2: expected the byte at which a line of the .tsv begins, found b'x'"),
        ("-1\n", r"lineidx line 1: expected the byte"),
    ],
)
def test_a_line_index_of_another_file_is_refused(tmp_path: Path, index: str, message: str) -> None:
    tsv, texts = write(tmp_path, [f"a\t{ENCODED[0]}", f"b\t{ENCODED[1]}"], {"train": {"a": ["x"], "b": ["y"]}})
    tsv.with_suffix(".lineidx").write_text(index)
    with pytest.raises(AnnotationError, match=message):
        lavender_tsv.rows(tsv, texts)
    tsv.with_suffix(".lineidx").unlink()
    assert all(isinstance(row, Row) for row in lavender_tsv.rows(tsv, texts))


def test_a_line_that_the_index_does_not_list_is_quarantined(tmp_path: Path) -> None:
    tsv, texts = write(tmp_path, [f"{key}\t{ENCODED[0]}" for key in "abc"], {"train": dict.fromkeys("abc", "x")})
    index = tsv.with_suffix(".lineidx")
    first, _, last = index.read_text().splitlines()
    index.write_text(f"{first}\n{last}\n")
    rows = list(lavender_tsv.rows(tsv, texts))
    assert [type(row) for row in rows[:3]] == [Row, BadRow, Row]
    assert (
        isinstance(rows[1], BadRow) and "which img_set_train_0.lineidx does not list; make it again" in rows[1].reason
    )


def test_the_parts_of_a_split_are_taken_from_a_folder_and_texts_from_lists(tmp_path: Path) -> None:
    entries = [{"video": "a", "caption": "x"}, {"video": "a", "caption": ["y", "z"]}, {"caption": "no id"}, 7]
    for name in ("img_set_train_0", "img_set_val", "img_set_train_1"):
        (tmp_path / f"{name}.caption.linelist.tsv").write_text("0\t0\n")
        write(tmp_path, [f"{'a' if name.endswith('0') else 'b'}\t{ENCODED[0]}"], {"train": entries}, name)
    good, lone, *bad = lavender_tsv.rows(tmp_path, tmp_path / "txt_set.json", "train")
    assert isinstance(good, Row) and good.record_id == "img_set_train_0.tsv line 1"
    assert good.records == ({"caption": "x"}, {"caption": "y"}, {"caption": "z"})
    assert isinstance(lone, BadRow) and lone.record_id == "img_set_train_1.tsv line 1"
    assert [row.record_id for row in bad] == ["train entry 3", "train entry 4"]


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.containers.frame_tsv.MAX_LINE", 5000)
    lines = [f"a\t{ENCODED[0]}", "b\t" + "A" * 9000, f"c\t{ENCODED[1]}"]
    tsv, texts = write(tmp_path, lines, {"train": dict.fromkeys("abc", "x")})
    first, long, last, lost = lavender_tsv.rows(tsv, texts)
    assert isinstance(first, Row) and isinstance(last, Row) and last.record_id == "line 3"
    assert isinstance(long, BadRow) and "has 9,003 bytes, allowed are 5,000" in long.reason and isinstance(lost, BadRow)


def test_a_picture_that_is_cut_off_is_quarantined_by_the_build(tmp_path: Path) -> None:
    cut = base64.b64encode(PICTURES[1][: len(PICTURES[1]) // 2]).decode()
    lines = [f"a\t{ENCODED[0]}\t{ENCODED[1]}", f"b\t{ENCODED[0]}\t{cut}"]
    tsv, texts = write(tmp_path, lines, {"train": {"a": ["x"], "b": ["y"]}})
    options = ["--data", tsv, "--annotations", texts, "--out", tmp_path / "out"]
    done = invoke("build", "lavender_tsv", *options, "--json")
    assert json.loads(done.stdout)["num_samples"] == 1
    (line,) = (tmp_path / "out/quarantine.jsonl").read_text().splitlines()
    assert "img_set_train_0.tsv line 2: " in line and "truncated: it ends before its pixels do" in line


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    tsv, texts = write(tmp_path, [f"a\t{ENCODED[0]}"], {"train": {"a": ["x"]}})
    with pytest.raises(OptionError, match=r"tsv: give its texts with --annotations \(only a caption YAML names them"):
        lavender_tsv.rows(tsv)
    with pytest.raises(OptionError, match=r"img_set_train_0.lineidx: holds no pictures; give the .tsv that does"):
        lavender_tsv.rows(tsv.with_suffix(".lineidx"), texts)
    with pytest.raises(OptionError, match=r"x.yaml: names its captions itself; leave out --annotations and --split"):
        lavender_tsv.rows(tmp_path / "x.yaml", texts)


def test_an_index_by_id_beside_the_file_is_compared_with_it(tmp_path: Path) -> None:
    tsv, texts = write(tmp_path, [f"a\t{ENCODED[0]}"], {"train": {"a": ["x"]}})
    tsv.with_suffix(".id2lineidx.pkl").write_bytes(pickle.dumps({"a": 0}))
    assert all(isinstance(row, Row) for row in lavender_tsv.rows(tsv, texts))
    tsv.with_suffix(".id2lineidx.pkl").write_bytes(pickle.dumps({"b": 0}))
    with pytest.raises(AnnotationError, match=r"no line of the id 'b' begins at byte 0"):
        lavender_tsv.rows(tsv, texts)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    _, texts = write(tmp_path, [f"a\t{ENCODED[0]}"], {"train": {"a": ["x"]}})
    with pytest.raises(OptionError, match=r"none: no such file or folder; check --data"):
        lavender_tsv.rows(tmp_path / "none", texts)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match=r"holds no \.tsv files"):
        lavender_tsv.rows(tmp_path / "empty", texts)


def test_published_frames_and_pictures_are_read_whole(published: Path, tmp_path: Path) -> None:
    pictures = published / "cc3m/violet_img_cc3m_val.tsv"
    rows = list(lavender_tsv.rows(pictures, published / "cc3m/violet_txt_cc3m.json", "val"))
    assert len(rows) == 50 and all(isinstance(row, Row) and row.ext == "jpg" for row in rows)
    frames = published / "msrvtt_ret/lavender_msrvtt.tsv"
    ids = [f"video{number}" for number in range(7010, 7020)]
    (tmp_path / "texts.json").write_text(json.dumps([{"video": video, "caption": f"of {video}"} for video in ids]))
    records = decoded("lavender_tsv", tmp_path / "out", "--data", frames, "--annotations", tmp_path / "texts.json")
    assert sorted(record["caption"] for record in records) == [f"of {video}" for video in ids]
