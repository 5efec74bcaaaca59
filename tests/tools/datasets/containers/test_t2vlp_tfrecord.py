"""TFRecords of raw frames with T2VLP's index, and of encoded media with texts, to a decoded batch; broken files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shards.media.frames import FramePictures
from shards.media.pictures.picture import open_image
from tests.tools.containers.given import CLIPS, OF_CLIPS, PICTURES, example, write_tfrecords
from tests.tools.datasets.from_files import decoded
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
    (tmp_path / "other.index").touch()
    with pytest.raises(OptionError, match=r"holds 2 \.index files; give one as --data"):
        t2vlp_tfrecord.rows(tmp_path)
