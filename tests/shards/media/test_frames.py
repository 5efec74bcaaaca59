"""Frame samples: pictures come back one by one, plans choose among them, and hostile zips are refused with a reason."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from shards.base.errors import MediaError
from shards.cli.app import app
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from shards.dataset.writing.writer import DatasetWriter
from shards.decode.cpu import decode
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.media.facts import MediaFacts
from shards.media.frames import MAX_FRAMES, FramePictures, pack_frames, probe_frames
from shards.media.partial import PartialMedium
from shards.media.probe import probe, probe_key_frames
from shards.read.sample import Sample
from tests.shards.foreign_tars import write_tar
from tests.shards.small_dataset import config, sequence

HEIGHT, WIDTH, COUNT = 24, 32, 6
TIMES = tuple(number * 0.5 for number in range(COUNT))


def picture(number: int, form: str = "JPEG") -> bytes:
    """Gray of 40 times its number."""
    out = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (40 * number,) * 3).save(out, form, quality=95)
    return out.getvalue()


PICTURES = [picture(number) for number in range(COUNT)]
PACKED = pack_frames(PICTURES, "jpg", 2.0, 3.0, TIMES)
PLAN = ClipPlan((4, 1, 1), (12, 16), (0, 0, 12, 16))


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return out.getvalue()


def facts_json(count: int = 1, **changes: object) -> tuple[str, bytes]:
    facts = {"fps": 1.0, "duration": float(count), "times": [float(i) for i in range(count)], **changes}
    return "facts.json", json.dumps(facts).encode()


def test_pictures_come_back_one_by_one_with_their_times() -> None:
    frames = FramePictures(PACKED)
    assert len(frames) == COUNT and [frames.picture(number) for number in range(COUNT)] == PICTURES
    assert (frames.fps, frames.duration, frames.times) == (2.0, 3.0, TIMES)
    with zipfile.ZipFile(io.BytesIO(PACKED)) as archive:
        assert archive.namelist() == [*(f"{number:05d}.jpg" for number in range(COUNT)), "facts.json"]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_pictures_give_the_same_bytes() -> None:
    assert pack_frames(PICTURES, "jpg", 2.0, 3.0, TIMES) == PACKED


@pytest.mark.parametrize(("form", "ext", "codec"), [("JPEG", "jpg", "jpeg"), ("WEBP", "webp", "webp")])
def test_facts_are_those_of_the_stored_frames(form: str, ext: str, codec: str) -> None:
    data = pack_frames([picture(number, form) for number in range(COUNT)], ext, 2.0, 3.0, [t + 1 for t in TIMES])
    facts = MediaFacts("frames", codec, WIDTH, HEIGHT, COUNT, 2.0, 3.0, 1.0)
    assert probe_key_frames(data, "a/b.zip") == (facts, []) and probe_frames(data) == (facts, [])


def test_a_plan_chooses_among_the_stored_frames() -> None:
    clip = decode(PACKED, "frames", PLAN)
    assert clip.shape == PLAN.shape and clip.dtype == np.uint8
    for frame, number in zip(clip, PLAN.frames, strict=True):
        expected = decode(PICTURES[number], "image", replace(PLAN, frames=(0,)))
        np.testing.assert_array_equal(frame, expected[0])
    uniform = plan_clip(probe(PACKED, "x.zip"), ClipConfig(num_frames=COUNT, size=8), np.random.default_rng(0))
    assert uniform.frames == tuple(range(COUNT))


def test_one_damaged_picture_costs_only_the_clips_that_want_it() -> None:
    at = PACKED.index(PICTURES[2]) + 50
    damaged = PACKED[:at] + bytes([PACKED[at] ^ 1]) + PACKED[at + 1 :]
    np.testing.assert_array_equal(decode(damaged, "frames", PLAN), decode(PACKED, "frames", PLAN))
    with pytest.raises(MediaError, match=r"not a frame sample: '00002\.jpg': Bad CRC-32"):
        decode(damaged, "frames", replace(PLAN, frames=(2,)))
    with pytest.raises(MediaError, match="frame 6 was planned but 6 are stored"):
        decode(PACKED, "frames", replace(PLAN, frames=(6,)))


def end_of(data: bytes, **changes: int) -> bytes:
    """The zip with another record at its end."""
    names = ("signature", "disk", "first", "here", "entries", "size", "start", "comment")
    values = dict(zip(names, struct.unpack("<4s4H2LH", data[-22:]), strict=True)) | changes
    return data[:-22] + struct.pack("<4s4H2LH", *values.values())


ONE = ("00000.jpg", PICTURES[0])


def nested() -> bytes:
    """Two entries, the first of which reaches over the second."""
    data = bytearray(zipped(ONE, ("00001.jpg", PICTURES[1]), facts_json(2)))
    start = data.index(b"PK\1\2")
    size = len(PICTURES[0]) + 30 + len("00001.jpg") + len(PICTURES[1])
    for at in (18, 22):
        data[at : at + 4] = struct.pack("<L", size)
    for at in (start + 20, start + 24):
        data[at : at + 4] = struct.pack("<L", size)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "has 0 bytes"),
        (b"PK" * 40, "does not end as a plain zip without comment does"),
        (zipped(ONE, facts_json(), comment=b"hello"), "does not end as a plain zip"),
        (zipped(ONE, facts_json(), compression=zipfile.ZIP_DEFLATED), r"'00000\.jpg' is compressed; pictures are"),
        (zipped(ONE, ("a/../00001.jpg", PICTURES[1]), facts_json(2)), r"holds 'a/\.\./00001\.jpg' beside others"),
        (zipped(ONE, ("/etc/passwd", b"x"), facts_json()), r"holds '/etc/passwd' beside others; expected 00000\.jpg"),
        (zipped(ONE, ("0.jpg", PICTURES[1]), facts_json(2)), r"holds '0\.jpg' beside others"),
        (zipped(ONE, ("00001.zip", b"PK"), facts_json(2)), r"holds '00001\.zip' beside others"),
        (zipped(ONE), r"expected 1 to 4096 pictures and a facts\.json of up to 262144 bytes, found 1 and none"),
        (zipped(facts_json(0)), "found 0 and one of"),
        (zipped(ONE, facts_json(2)), r"facts\.json has 2 times for 1 pictures, fps 1\.0, duration 2\.0"),
        (zipped(ONE, facts_json(times=[1e999])), r"facts\.json has 1 times for 1 pictures"),
        (zipped(ONE, facts_json(fps=-1)), r"fps -1\.0"),
        (zipped(ONE, ("00001.jpg", PICTURES[1]), facts_json(2, times=[1, 0])), "times that run backwards"),
        (zipped(ONE, ("facts.json", b"[" * 9000)), r"facts\.json cannot be read \(RecursionError"),
        (zipped(ONE, ("facts.json", b"{}")), r"facts\.json cannot be read \(KeyError"),
        (zipped(ONE, ("facts.json", b" " * (1 << 18) + facts_json()[1])), "found 1 and one of 26"),
        (nested(), "its pictures lie in one another"),
        (end_of(PACKED, entries=MAX_FRAMES + 2), "claims 4098 entries"),
        (end_of(PACKED, size=1 << 31), "its end claims 7 entries in 2147483648 bytes"),
        (end_of(PACKED, start=5), "at byte 5 of"),
        (PACKED[:-22] + b"PK\6\7" + bytes(16) + PACKED[-22:], "does not end as a plain zip"),
    ],
)
def test_hostile_zips_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MediaError, match=f"not a frame sample: .*{reason}"):
        FramePictures(data)


def test_an_encrypted_picture_is_refused() -> None:
    at = PACKED.index(b"PK\1\2") + 8
    local = PACKED[:6] + b"\1\0" + PACKED[8:at] + b"\1\0" + PACKED[at + 2 :]
    with pytest.raises(MediaError, match=r"not a frame sample: '00000\.jpg': File .* is encrypted"):
        probe_frames(local)


def test_a_picture_over_the_limits_is_refused() -> None:
    out = io.BytesIO()
    Image.new("1", (20000, 3)).save(out, "PNG")
    with pytest.raises(MediaError, match="20000x3 pixels are too many"):
        probe(zipped(("00000.jpg", out.getvalue()), facts_json()), "x.zip")


def test_what_does_not_belong_together_is_not_packed() -> None:
    with pytest.raises(ValueError, match=r"6 pictures \.gif with 6 times; allowed: 1 to 4096 with as many"):
        pack_frames(PICTURES, "gif", 2.0, 3.0, TIMES)
    with pytest.raises(ValueError, match=r"6 pictures \.jpg with 5 times"):
        pack_frames(PICTURES, "jpg", 2.0, 3.0, TIMES[1:])


@settings(max_examples=300)
@given(data=st.data())
def test_damage_gives_the_same_pictures_or_a_media_error(data: st.DataObject) -> None:
    damaged = bytearray(PACKED)
    for _ in range(data.draw(st.integers(0, 4))):
        # Most damage where structure is: headers of members, the list at the end.
        at = data.draw(st.integers(0, len(PACKED) - 1) | st.integers(len(PACKED) - 500, len(PACKED) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(PACKED))) :]
    try:
        frames = FramePictures(bytes(damaged))
        found = [frames.picture(number) for number in range(len(frames))]
    except MediaError as error:
        assert str(error).startswith(("not a frame sample", "frame "))
    else:
        assert set(found) <= set(PICTURES)


@settings(max_examples=100)
@given(data=st.binary(max_size=200), end=st.booleans())
def test_any_bytes_give_frames_or_a_media_error(data: bytes, end: bool) -> None:
    try:
        FramePictures(data + (PACKED[-22:] if end else b""))
    except MediaError as error:
        assert str(error)


# ------------------------------------------------------------ a dataset of them


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    facts = probe(PACKED, "x.zip")
    with DatasetWriter(tmp_path / "frames", "frames", samples_per_shard=3, key_frames=True) as writer:
        for number in range(8):
            writer.write(f"{number:04d}", PACKED, "zip", [{"caption": f"clip {number}"}], {}, facts)
    return tmp_path / "frames"


def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
    plan = plan_clip(sample.facts, ClipConfig(num_frames=3, size=8, sampling="random"), rng("clip"))
    assert not isinstance(sample.media, PartialMedium)
    meta = {"caption": sample.record["caption"], "drawn": plan.frames}
    return EncodedClip(sample.media, sample.facts.kind, plan, {}, meta)


def test_the_loader_reads_them(dataset: Path) -> None:
    with Loader(config(("frames", dataset), batch_size=4), 0, 1, encode) as loader:
        batch = next(loader)
        grays = batch.frames.mean(axis=(2, 3, 4)).tolist()
    for row, meta in zip(grays, batch.meta, strict=True):
        assert row == pytest.approx([40 * number for number in meta["drawn"]], abs=3)
    with Loader(config(("frames", dataset), batch_size=4), 0, 1, encode) as again:
        assert sequence([again], 1) == [[(meta["caption"], meta["drawn"]) for meta in batch.meta]]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_verbs_know_them(dataset: Path, tmp_path: Path) -> None:
    verify = json.loads(run("verify", dataset, "--decode", "--json").stdout)
    assert verify["num_bad_samples"] == 0 and verify["num_decoded"] == 8, verify
    assert "frames jpeg 32x24, 3.0 s, 6 frames at 2 fps" in " ".join(run("ls", dataset).stdout.split())
    stats = json.loads(run("stats", dataset, "--json").stdout)
    assert "frames" in json.dumps(stats)
    page = tmp_path / "page.html"
    shown = run("preview", dataset, "--out", page)
    assert shown.exit_code == 0, shown.output
    assert page.read_text().count("data:image/jpeg") >= 8


@pytest.mark.parametrize("media", [False, True])
def test_tars_of_others_with_frame_samples_are_indexed(tmp_path: Path, media: bool) -> None:
    damaged = PACKED[:-30]
    files = [("a.zip", PACKED), ("a.txt", b"one"), ("b.zip", damaged), ("b.txt", b"two")]
    write_tar(tmp_path / "t" / "0.tar", files, tarfile.GNU_FORMAT)
    report = index_tars(str(tmp_path / "t"), looks=Looks(media=media))
    assert (report.num_samples, report.num_quarantined) == ((1, 1) if media else (2, 0))
    listed = json.loads(run("ls", tmp_path / "t", "--json").stdout)
    assert listed["samples"][0]["facts"]["kind"] == "frames"
