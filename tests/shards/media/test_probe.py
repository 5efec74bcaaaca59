"""Probing: facts that decoding confirms, or a MediaError with a reason, whatever the bytes are."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from shards.base.errors import MediaError
from shards.media.probe import probe, probe_key_frames
from shards.media.videos.video import decode_packet, demux, open_video
from tests.shards.pictures import picture

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLES = sorted((REPOSITORY / "samples" / "videos").glob("*.*"))


def decoded_frames(data: bytes) -> int:
    with open_video(data) as (container, stream):
        return sum(1 for _ in container.decode(stream))


@pytest.mark.parametrize(
    ("codec", "name"),
    [("libx264", "h264"), ("mpeg4", "mpeg4"), ("libvpx-vp9", "vp9"), ("libvpx", "vp8"), ("mjpeg", "mjpeg")],
)
def test_facts_of_a_video(make_clip: Callable[..., bytes], codec: str, name: str) -> None:
    facts = probe(make_clip(40, (64, 96), codec), "x.mp4")
    assert (facts.kind, facts.codec, facts.width, facts.height, facts.num_frames) == ("video", name, 96, 64, 40)
    assert facts.fps == pytest.approx(25, rel=0.01) and facts.duration == pytest.approx(1.6, abs=0.05)
    assert facts.start_time == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("rotation", "size"), [(0, (96, 64)), (90, (64, 96)), (180, (96, 64)), (-90, (64, 96))])
def test_facts_are_those_after_the_rotation(
    make_clip: Callable[..., bytes], rotation: int, size: tuple[int, int]
) -> None:
    facts = probe(make_clip(3, (64, 96), rotation=rotation), "x.mp4")
    assert (facts.width, facts.height) == size


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "x.mp4", r"is empty \(0 bytes\)"),
        (b"<html>not found</html>" * 100, "x.mp4", "not a video: Invalid data"),
        (b"<html>not found</html>", "x.jpg", "not a picture that is read here but an HTML page; .*fetch it again"),
        (b"x", "x.exe", "unknown extension 'exe'; known: mp4, webm"),
        (b"x", "noextension", "unknown extension 'noextension'"),
        (picture(size=(17000, 10)), "x.png", "17000x10 pixels are too many"),
        (picture(size=(9000, 9000), mode="1"), "x.png", "9000x9000 pixels are too many"),
        (picture(size=(14000, 14000), mode="1"), "x.png", "pixels are too many"),
        (picture("JPEG", size=(200, 200))[:800], "x.jpg", "not a picture, or damaged: .*truncated"),
    ],
)
def test_what_is_no_medium_is_refused_with_the_reason(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        probe(data, name)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {path}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "<?xml version='1.0'?><MPD><Period><AdaptationSet><BaseURL>{path}</BaseURL></AdaptationSet></Period></MPD>",
        "[playlist]\nFile1={path}\n",
    ],
)
@pytest.mark.parametrize("name", ["x.mp4", "x.ts", "x.jpg"])
def test_playlists_are_refused_and_lead_nowhere(
    tmp_path: Path, make_clip: Callable[..., bytes], text: str, name: str
) -> None:
    target = tmp_path / "secret.mp4"
    target.write_bytes(make_clip(3))
    with pytest.raises(MediaError, match=r"not a (video|picture)"):
        probe(text.format(path=target).encode(), name)


@pytest.mark.filterwarnings("ignore:::PIL")
def test_random_damage_gives_facts_or_media_error(make_clip: Callable[..., bytes]) -> None:
    rng = random.Random(0)
    whole = [(make_clip(8, codec=codec), "x.mp4") for codec in ("libx264", "libvpx", "mjpeg")] + [
        (picture(form, mode=mode), "x.jpg") for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF") for mode in ("RGB", "L")
    ]
    outcomes = {"facts": 0, "error": 0}
    for _ in range(600):
        data, name = rng.choice(whole)
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 5, 50])):
            damaged[rng.randrange(len(data))] = rng.randrange(256)
        try:
            probe(bytes(damaged[: rng.randrange(1, len(data))] if rng.random() < 0.2 else damaged), name)
            outcomes["facts"] += 1
        except MediaError as error:
            assert str(error)
            outcomes["error"] += 1
    assert min(outcomes.values()) > 30


@pytest.mark.skipif(not SAMPLES, reason="samples/videos is empty")
def test_counts_of_the_sample_videos_are_those_of_decoding() -> None:
    for path in SAMPLES:
        data = path.read_bytes()
        assert probe(data, path.name).num_frames == decoded_frames(data), path.name


# ------------------------------------------------------------ the large corpus


@pytest.mark.long
@pytest.mark.timeout(900)
def test_facts_of_the_corpus_agree_with_its_manifest(corpus: Path) -> None:
    with open(corpus / "manifest.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file)]
    assert sum(row["kind"] == "video" for row in rows) == 167
    wrong = []
    for row in rows:
        if row["file"] == "videos/race_1906.ogv":
            continue  # its header says 214x160, its frames are 218x160
        facts = probe((corpus / row["file"]).read_bytes(), row["file"])
        found = (facts.width, facts.height)
        if row["kind"] == "video":
            turned = row["rotation"] not in ("", "0") and abs(int(float(row["rotation"]))) % 180 == 90
            size = (int(row["width"]), int(row["height"]))
            if found not in (size, size[::-1] if turned else size) or abs(facts.num_frames - int(row["frames"])) > 2:
                wrong.append((row["file"], facts, row["width"], row["height"], row["frames"], row["rotation"]))
    assert not wrong


@pytest.mark.long
@pytest.mark.parametrize("folder", ["videos_odd", "images_odd"])
def test_odd_files_give_facts_or_media_error(corpus: Path, folder: str) -> None:
    refused = {}
    for path in sorted((corpus / folder).iterdir()):
        try:
            facts = probe(path.read_bytes(), path.name)
            assert facts.num_frames >= 1 and facts.width >= 1 and facts.height >= 1
        except MediaError as error:
            refused[path.name] = str(error)
    empty = "zero_bytes.mp4" if folder == "videos_odd" else "zero_bytes.jpg"
    assert refused[empty] == "is empty (0 bytes)"
    if folder == "videos_odd":
        assert refused["audio_only.mp4"] == "no video stream"
        assert "12336x12336" in refused["libwebm_invalid_vp9_bitstream-bug_1416.webm"]
        assert 8 < len(refused) < 20


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_key_frames_are_where_the_decoder_finds_them(path: Path) -> None:
    data = path.read_bytes()
    facts, key_frames = probe_key_frames(data, path.name)
    assert facts == probe(data, path.name) and key_frames
    with open_video(data) as (container, stream):
        frames = [frame for packet in demux(container, stream) for frame in decode_packet(packet)]
    keys = {number for number, frame in enumerate(frames) if frame.key_frame}
    numbers = [frame.number for frame in key_frames]
    assert numbers == sorted(set(numbers)) and set(numbers) >= keys
    for frame in key_frames:
        if frame.number in keys and frames[frame.number].time is not None:
            assert frame.time == pytest.approx(frames[frame.number].time, abs=1e-3)
        assert frame.offset < len(data)
