"""TFRecords of raw frames with T2VLP's index, and of encoded media with texts, to a decoded batch; broken files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from shards.media.frames import FramePictures
from shards.media.pictures.picture import open_image
from tests.t2vlp_like import raw_frames_of, webvid_captions, write_webvid_frames
from tests.tools.commands.command_line import invoke
from tests.tools.containers.given import CLIPS, OF_CLIPS, PICTURES, example, write_tfrecords
from tests.tools.datasets.from_files import decoded
from tools.containers.tfrecords.records import masked_crc
from tools.datasets.containers import t2vlp_tfrecord
from tools.rows import AnnotationError, BadRow, OptionError, Row

SIDE = 32


def raw_frames(seed: int) -> np.ndarray:
    """Two frames that differ in the blue of all pixels, BGR."""
    frames = np.random.default_rng(seed).integers(0, 255, (2, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    frames[:, :, :, 0] = 200
    return frames


def t2vlp(folder: Path) -> tuple[Path, Path]:
    """Two files with two records each, their index with paths of another machine, and captions."""
    lines = []
    for part in range(2):
        name = f"webvid-{part:05d}.tfrecord"
        offsets = write_tfrecords(
            folder / name, [example(image=[raw_frames(2 * part + n).tobytes()]) for n in range(2)]
        )
        lines += [f"{2 * part + n}\t/apdcephfs/share/{name}\t{offset}\n" for n, offset in enumerate(offsets)]
    (folder / "webvid.index").write_text("".join(lines))
    (folder / "labels.json").write_text(
        json.dumps([{"video_id": number, "caption": f"caption {number}"} for number in range(4)])
    )
    return folder / "webvid.index", folder / "labels.json"


def test_raw_frames_become_a_decoded_batch(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    options = ("--data", index, "--annotations", labels, "--frame-side", str(SIDE))
    records = decoded("t2vlp_tfrecord", tmp_path / "out", *options)
    assert [record["caption"] for record in records] == [f"caption {number}" for number in range(4)]


def test_raw_frames_keep_their_colours(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    row = next(iter(t2vlp_tfrecord.rows(index, labels, frame_side=SIDE, frame_quality=100)))
    assert isinstance(row, Row) and (row.key, row.ext, row.record_id) == ("0", "zip", "webvid-00000.tfrecord record 1")
    frames = FramePictures(row.media or b"")
    with open_image(frames.picture(1)) as (image, _):
        rgb = np.asarray(image.convert("RGB"), np.int64)
    assert len(frames) == 2 and np.abs(rgb[:, :, 2] - 200).mean() < 8
    assert np.abs(rgb[:, :, ::-1] - raw_frames(0)[1]).mean() < 8


def test_frames_of_real_clips_are_kept_to_the_last_bit(corpus: Path, tmp_path: Path) -> None:
    write_webvid_frames(corpus, tmp_path, 3)
    index, labels = tmp_path / "webvid.index", tmp_path / "frozen_train_labels.json"
    records = decoded("t2vlp_tfrecord", tmp_path / "out", "--data", index, "--annotations", labels)
    captions = webvid_captions(corpus, 3)
    assert [record["caption"] for record in records] == [*captions.values()]
    row = next(iter(t2vlp_tfrecord.rows(index, labels)))
    assert isinstance(row, Row) and row.media is not None
    raw, frames = raw_frames_of(corpus, next(iter(captions))), FramePictures(row.media)
    assert len(frames) == 12 and len(row.media) < raw.nbytes / 2
    for number in range(12):
        with open_image(frames.picture(number)) as (image, _):
            assert np.array_equal(np.asarray(image.convert("RGB")), raw[number, :, :, ::-1])


def test_encoded_media_with_their_texts_need_no_index(tmp_path: Path) -> None:
    records = [
        example(video=[clip], caption=[text], id=[f"v{n}"], width=[96], scores=[0.5, 1.0])
        for n, (clip, text) in enumerate(zip(CLIPS, OF_CLIPS, strict=True))
    ]
    write_tfrecords(tmp_path / "a.tfrecord", records)
    write_tfrecords(tmp_path / "b.tfrecord-00000-of-00001", [example(video=PICTURES, caption=["x", "y"], id=["v4"])])
    rows = list(t2vlp_tfrecord.rows(tmp_path))
    for number, row in enumerate(rows[:3]):
        assert isinstance(row, Row) and (row.media, row.key) == (CLIPS[number], f"v{number}")
        assert row.meta == {"id": f"v{number}", "width": 96, "scores": [0.5, 1.0]}
    assert isinstance(rows[3], Row) and rows[3].ext == "zip" and len(rows[3].records) == 2


def test_broken_checksums_cost_what_the_framing_allows(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    offsets = write_tfrecords(path, [example(image=[PICTURES[0]], caption=["x"], id=[number]) for number in range(4)])
    content = bytearray(path.read_bytes())
    content[offsets[1] + 30] ^= 1
    content[offsets[3]] ^= 1
    path.write_bytes(bytes(content))
    first, data, third, length = t2vlp_tfrecord.rows(path)
    assert isinstance(first, Row) and isinstance(third, Row) and third.key == "2"
    assert isinstance(data, BadRow) and data.reason == (
        "malformed line: a.tfrecord a.tfrecord record 2: its data have another checksum; fetch the file again, or "
        "accept the loss"
    )
    assert isinstance(length, BadRow) and length.record_id == "a.tfrecord from record 4 on"
    assert f"byte {offsets[3]:,}: the length of a record has another checksum, so the rest of the file" in length.reason


@pytest.mark.parametrize("kept", [5, 14, 200])
def test_a_file_that_was_cut_off_costs_its_last_record(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.tfrecord"
    offsets = write_tfrecords(path, [example(image=[PICTURES[0]], caption=["x"]) for _ in range(2)])
    path.write_bytes(path.read_bytes()[: offsets[1] + kept])
    good, bad = t2vlp_tfrecord.rows(path)
    assert isinstance(good, Row) and isinstance(bad, BadRow) and "it was cut off; fetch it again" in bad.reason


def test_an_index_is_held_against_the_records(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    lines = index.read_text().splitlines()
    moved = lines[1].rpartition("\t")[0] + "\t17"
    more = ["no tabs", "9\t/a/none.tfrecord\t0", "8\t../secret.tfrecord\t0", "7\twebvid\t-3"]
    index.write_text("\n".join([lines[0], lines[0].replace("0\t", "5\t", 1), moved, *lines[2:], *more]) + "\n")
    rows = list(t2vlp_tfrecord.rows(tmp_path, labels, frame_side=SIDE))
    assert [row.key for row in rows if isinstance(row, Row)] == ["0", "2", "3"]
    reasons = "\n".join(row.reason for row in rows if isinstance(row, BadRow))
    for expected in (
        "webvid-00000.tfrecord record 2: no line of webvid.index names byte",
        "webvid.index line 2: '5': byte 0 stands in line 1 already; correct it",
        "webvid.index line 3: '1': byte 17 is not the begin of a record of webvid-00000.tfrecord",
        "webvid.index line 6: expected vid, tab, path, tab, byte; found ['no tabs']",
        "webvid.index line 7: '9': no file under",
        "webvid.index line 8: '8': the path '../secret.tfrecord' leads upwards",
        "webvid.index line 9: expected vid, tab, path, tab, byte; found",
        "labels.json entry 2: no medium with the id '1' in",
    ):
        assert expected in reasons, (expected, reasons)
    assert reasons.count("\n") == 7


def test_places_where_no_record_begins_are_told_apart(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    first, second, *rest = (line.rpartition("\t")[0] for line in index.read_text().splitlines())
    index.write_text("\n".join([f"{first}\t6185", f"{second}\t12364", *(f"{line}\t9999999" for line in rest)]))
    reasons = "\n".join(row.reason for row in t2vlp_tfrecord.rows(index, labels, frame_side=SIDE))  # type: ignore[union-attr]
    name = "webvid-00000.tfrecord"
    for expected in (
        f"'0': byte 6185 is not the begin of a record of {name}, but inside record 2, from byte 6182; fetch both again",
        f"'1': byte 12364 is not the begin of a record of {name}, but behind its end (12,364 bytes); fetch both again",
        "'3': byte 9999999 is not the begin of a record of webvid-00001.tfrecord, but behind its end",
    ):
        assert expected in reasons, reasons


def test_a_wrong_byte_is_told_apart_from_a_file_that_is_cut_off(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    first, second, *rest = index.read_text().splitlines()
    index.write_text("\n".join([f"{first.rpartition(chr(9))[0]}\t7", second, *rest]))
    file = tmp_path / "webvid-00000.tfrecord"
    file.write_bytes(file.read_bytes()[:-9])
    reasons = [row.reason for row in t2vlp_tfrecord.rows(index, labels, frame_side=SIDE) if isinstance(row, BadRow)]
    assert any("'0': byte 7 is not the begin of a record of webvid-00000.tfrecord, but inside" in r for r in reasons)
    assert any(
        "'1': byte 6182 cannot be reached in webvid-00000.tfrecord: byte 6,182: a record runs" in r for r in reasons
    )


def test_a_length_beyond_the_file_costs_the_file_but_no_memory(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    length = struct.pack("<Q", (1 << 64) - 1)
    (tmp_path / "webvid-00000.tfrecord").write_bytes(length + struct.pack("<I", masked_crc(length)) + bytes(50))
    rows = list(t2vlp_tfrecord.rows(index, labels, frame_side=SIDE))
    assert [row.key for row in rows if isinstance(row, Row)] == ["2", "3"]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    assert reasons[0].startswith(
        "malformed line: webvid.index line 1: '0': byte 0 cannot be reached in webvid-00000.tfrecord: byte 0: a record "
        "runs past the end of the file (62 bytes)"
    )
    (tmp_path / "webvid-00000.tfrecord").write_bytes(length + bytes(54))
    reasons = [row.reason for row in t2vlp_tfrecord.rows(index, labels, frame_side=SIDE) if isinstance(row, BadRow)]
    assert "byte 0: the length of a record has another checksum, so the rest of the file cannot be read" in reasons[1]


def test_a_damaged_record_is_named_with_its_video_once(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    content = bytearray((tmp_path / "webvid-00000.tfrecord").read_bytes())
    content[100] ^= 1
    (tmp_path / "webvid-00000.tfrecord").write_bytes(bytes(content))
    flaw, *good = t2vlp_tfrecord.rows(index, labels, frame_side=SIDE)
    assert isinstance(flaw, BadRow) and all(isinstance(row, Row) for row in good) and len(good) == 3
    assert flaw.reason == (
        "malformed line: webvid.index webvid-00000.tfrecord record 1: '0': its data have another checksum; fetch the "
        "file again, or accept the loss"
    )


def test_frames_of_another_number_of_bytes_are_quarantined(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    for options, form in (
        ({}, "12 raw frames of 256 x 256 x 3 bytes (2,359,296)"),
        ({"frame_side": 48}, "raw frames of 48 x 48 x 3 bytes (6,912 each)"),
    ):
        rows = list(t2vlp_tfrecord.rows(index, labels, **options))  # type: ignore[arg-type]
        assert len(rows) == 4
        for number, row in enumerate(rows):
            assert isinstance(row, BadRow) and row.reason.startswith("unusable media: webvid.index webvid-0000")
            assert f"'{number}': no medium that is read here" in row.reason
            assert f"its 6,144 bytes are not {form}; say the pixels of a side with --frame-side" in row.reason


def test_pixels_that_begin_as_a_picture_does_are_pixels(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    pixels = raw_frames(0)
    pixels[0, 0, 0] = (0xFF, 0xD8, 0xFF)
    write_tfrecords(tmp_path / "webvid-00000.tfrecord", [example(image=[pixels.tobytes()])] * 2)
    row = next(iter(t2vlp_tfrecord.rows(index, labels, frame_side=SIDE)))
    assert isinstance(row, Row) and row.ext == "zip"


def test_files_that_the_index_of_a_folder_does_not_name_are_told(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    (tmp_path / "webvid-00002.tfrecord").write_bytes(b"x")
    *good, bad = t2vlp_tfrecord.rows(tmp_path, labels, frame_side=SIDE)
    assert len(good) == 4 and isinstance(bad, BadRow)
    assert "no line names webvid-00002.tfrecord; make the index again, or move the file away" in bad.reason
    assert len(list(t2vlp_tfrecord.rows(index, labels, frame_side=SIDE))) == 4


def test_a_damaged_first_file_does_not_cost_the_others(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    (tmp_path / "webvid-00000.tfrecord").write_bytes(b"x" * 30)
    rows = list(t2vlp_tfrecord.rows(index, labels, frame_side=SIDE))
    assert [row.key for row in rows if isinstance(row, Row)] == ["2", "3"]


def test_videos_without_label_and_labels_without_video_are_counted(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    labels.write_text(json.dumps([{"video_id": number, "caption": "words"} for number in (0, 1, 2, 7, 8)]))
    options = ("--data", index, "--annotations", labels, "--frame-side", str(SIDE), "--max-quarantined", "9", "--json")
    built = invoke("build", "t2vlp_tfrecord", *options, "--out", tmp_path / "out")
    assert built.exit_code == 0, built.stderr
    report = json.loads(built.stdout)
    assert report["num_samples"] == 3 and report["quarantined"] == {"media not found": 2, "no usable text": 1}


def test_an_index_that_is_not_sorted_by_file_is_refused(tmp_path: Path) -> None:
    index, labels = t2vlp(tmp_path)
    first, *rest = index.read_text().splitlines()
    index.write_text("\n".join([*rest, first]) + "\n")
    with pytest.raises(AnnotationError, match=r"webvid.index line 4: .* comes back after other files; sort the index"):
        t2vlp_tfrecord.rows(index, labels)


def test_media_texts_and_records_that_cannot_be_used_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    records = [
        example(image=[PICTURES[0]], caption=["x"]),
        example(image=[PICTURES[0]], caption=[" "]),
        example(image=[b"0" * 100], caption=["x"]),
        example(caption=["x"]),
        b"no example",
        b"",
    ]
    write_tfrecords(path, records)
    good, *bad = t2vlp_tfrecord.rows(path)
    assert isinstance(good, Row) and good.key == "000000000"
    reasons = [row.reason for row in bad if isinstance(row, BadRow)]
    for reason, part in zip(
        reasons,
        (
            "no usable text in the column 'caption'",
            "no medium that is read here",
            "is null",
            "; write the record",
            "text",
        ),
        strict=True,
    ):
        assert part in reason, reason


def test_inputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"holds no \.tfrecord files"):
        t2vlp_tfrecord.rows(tmp_path)
    (tmp_path / "a.tfrecord").write_bytes(b"\x1f\x8b" + bytes(50))
    with pytest.raises(AnnotationError, match=r"no record can be read \(a.tfrecord: is a gzip file; unpack it first\)"):
        t2vlp_tfrecord.rows(tmp_path)
    with pytest.raises(OptionError, match=r"--split train is for --annotations"):
        t2vlp_tfrecord.rows(tmp_path, split="train")
    index, labels = t2vlp(tmp_path)
    with pytest.raises(OptionError, match=r"--media-column frames: no such column; it has image"):
        t2vlp_tfrecord.rows(index, labels, media_column="frames")
    with pytest.raises(OptionError, match=r"webvid.index: its records hold no texts; give them with --annotations"):
        t2vlp_tfrecord.rows(index)
    with pytest.raises(OptionError, match=r"none.index: no such file or folder; check --data"):
        t2vlp_tfrecord.rows(tmp_path / "none.index", labels)
    with pytest.raises(
        OptionError, match=r"webvid-00000.tfrecord: its records hold no id .*; give the .index as --data"
    ):
        t2vlp_tfrecord.rows(tmp_path / "webvid-00000.tfrecord", labels)
    labels.write_text("[1, 2]")
    with pytest.raises(AnnotationError, match=r"labels.json: holds no captions by id \(.*entry 1: expected an object"):
        t2vlp_tfrecord.rows(index, labels)
    (tmp_path / "other.index").touch()
    with pytest.raises(OptionError, match=r"holds 2 \.index files; give one as --data"):
        t2vlp_tfrecord.rows(tmp_path)
