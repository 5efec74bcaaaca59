"""A transcoded dataset holds the same samples in the same order, accounts for each, and resumes to the same bytes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.errors import ConversionError, DatasetError
from shards.dataset.index.index import Index
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from shards.dataset.writing.writer import DatasetWriter
from shards.decode.packing.coded_size import Window
from shards.decode.packing.remux import remux
from shards.media.facts import KeyFrames
from shards.media.probe import probe, probe_key_frames
from shards.read.reader import Reader
from shards.read.sample import Sample
from shards.storage.open import open_source
from tests.shards.foreign_tars import write_tar
from tests.tools.building.test_build import files, members, quarantine
from tests.tools.media.scenes import pixels, scene, video
from tests.tools.watching import watch
from tools.media.profiles import FramesProfile, Profile, VideoProfile
from tools.media.transcode import transcode
from tools.transcode import TranscodeReport, transcode_dataset

ROOT = Path(__file__).resolve().parents[2]
SMALL = VideoProfile(short_side=48, gop=4)
CLIPS = [video(12 + number, (72, 96)) for number in range(3)]


def write_source(folder: Path) -> Path:
    """Ten samples in shards of three: clips, a picture, one that cannot be decoded, with one or two captions each."""
    picture = (ROOT / "samples/images/sk_rocket.png").read_bytes()
    with DatasetWriter(folder, "clips", samples_per_shard=3) as writer:
        for number in range(10):
            media, ext = (picture, "png") if number == 4 else (CLIPS[number % 3], "mp4")
            facts = probe(media, f"x.{ext}")
            media = b"no video" if number == 7 else media
            records = [{"caption": f"{record} of {number}, naïve"} for record in range(1 + number % 2)]
            writer.write(f"k{number:02d}", media, ext, records, {"id": number, "from": {"page": number}}, facts)
    return folder


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("transcode") / "source")


def run(source: Path | str, out: Path | str, profile: Profile = SMALL, **options: Any) -> TranscodeReport:
    return transcode_dataset(str(source), str(out), "small", profile, samples_per_shard=4, **{"compared": 2, **options})


def samples_of(folder: Path) -> list[Sample]:
    reader = Reader("", str(folder))
    draw = np.random.default_rng(0)
    counts = reader.counts.tolist()
    return [reader.read(shard, row, draw) for shard, count in enumerate(counts) for row in range(count)]


def test_keys_texts_and_order_stay_and_media_are_what_the_profile_makes(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = run(source, tmp_path / "out", progress=watch(lambda done, bad: seen.append((done, bad))))
    assert (report.num_rows, report.num_samples, report.num_quarantined, report.num_shards) == (10, 9, 1, 3)
    assert report.quarantined == {"unusable media": 1} and seen[-1] == (10, 1)
    (line,) = quarantine(tmp_path / "out")
    assert line["record"] == "000002.tar:k07" and line["row"] == 7
    assert line["reason"].startswith("unusable media: 000002.tar k07: .mp4: not a video: ")
    assert line["reason"].endswith("fetch it again, or accept the loss")

    old, new = members(source), members(tmp_path / "out")
    texts = {name: data for name, data in old.items() if name.endswith(".json") and "k07" not in name}
    assert {name: data for name, data in new.items() if name.endswith(".json")} == texts
    keys = [f"k{number:02d}" for number in range(10) if number != 7]
    extensions = {key: ("jpg", "json") if key == "k04" else ("json", "mp4") for key in keys}
    assert list(new) == [f"{key}.{ext}" for key in keys for ext in extensions[key]]
    for key in keys:
        if key != "k04":
            assert new[f"{key}.mp4"] == transcode(old[f"{key}.mp4"], "mp4", SMALL).media
    before, after = ([s for s in samples_of(folder) if s.origin.key != "k07"] for folder in (source, tmp_path / "out"))
    assert [(s.origin.key, s.record, s.meta) for s in before] == [(s.origin.key, s.record, s.meta) for s in after]
    for sample in after:
        facts = probe(bytes(sample.media), "x.jpg" if sample.origin.key == "k04" else "x.mp4")
        assert replace(sample.facts, duration=0.0) == replace(facts, duration=0.0)  # the index holds 32 bits
        assert sample.facts.duration == pytest.approx(facts.duration)


def test_the_report_tells_sizes_quality_and_provenance(source: Path, tmp_path: Path) -> None:
    report = run(source, tmp_path / "out")
    old, new = members(source), members(tmp_path / "out")
    sizes = [sum(len(data) for name, data in m.items() if not name.endswith("json")) for m in (old, new)]
    assert [report.media_bytes_before, report.media_bytes_after] == sizes
    assert report.bytes == sum(path.stat().st_size for path in (tmp_path / "out").glob("*.tar"))
    assert report.quality is not None and report.quality.media == 2 and (report.quality.psnr_db or 0) > 25
    said = json.loads((tmp_path / "out/dataset.json").read_text())
    fingerprint = json.loads((source / "dataset.json").read_text())["fingerprint"]
    assert said["name"] == "clips" and said["provenance"]["tool"] == "tools transcode"
    assert said["provenance"]["source"] == {"name": "clips", "fingerprint": fingerprint}
    assert said["provenance"]["profile"].items() >= {"name": "small", "short_side": 48, "gop": 4, "quality": 23}.items()
    assert json.dumps(report.to_dict())


def test_the_index_has_the_gop_tables(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    index = Index.open(open_source(tmp_path / "out"))
    assert index.has_key_frames
    media = {name.partition(".")[0]: data for name, data in members(tmp_path / "out").items() if "json" not in name}
    for shard, count in enumerate(index.shards.num_samples.tolist()):
        for row in range(count):
            key = index.rows(shard).keys[row]
            ext = "jpg" if key == "k04" else "mp4"
            expected = KeyFrames.of(probe_key_frames(media[key], f"x.{ext}")[1])
            found = index.gop_table(shard, row)
            assert found is not None and (found.frames, found.offsets) == (expected.frames, expected.offsets)
            assert found.times == pytest.approx(expected.times) and (ext == "jpg") == (not found.frames)


@pytest.mark.parametrize("stop_after", [1, 4, 8])
def test_a_run_that_was_cut_short_goes_on_to_the_same_bytes(source: Path, tmp_path: Path, stop_after: int) -> None:
    """And without reading what was done before: it is damaged by then."""
    resumed = {1: 0, 4: 4, 8: 4}[stop_after]
    whole = run(source, tmp_path / "whole")

    def stop(done: int, bad: int) -> None:
        if done == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out", progress=watch(stop))
    assert not (tmp_path / "out/dataset.json").exists()
    spoilt = Path(shutil.copytree(source, tmp_path / "spoilt"))
    for name in [f"{shard:06d}.tar" for shard in range(resumed // 3)]:
        (spoilt / name).write_bytes(bytes((spoilt / name).stat().st_size))
    report = run(spoilt, tmp_path / "out", compared=0)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert report.num_resumed == resumed
    same = {"num_resumed": 0, "seconds": 0, "source": "", "out": "", "quality": None}
    assert replace(report, **same) == replace(whole, **same)


def test_another_profile_or_source_does_not_go_on_in_the_same_place(source: Path, tmp_path: Path) -> None:
    def stop(done: int, bad: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out", progress=watch(stop))
    with pytest.raises(DatasetError, match=r"unfinished conversion with provenance\.profile\.gop = 4, this one has 5"):
        run(source, tmp_path / "out", VideoProfile(short_side=48, gop=5))
    with pytest.raises(DatasetError, match=r"provenance\.profile\.\w+ = .*, this one has"):
        run(source, tmp_path / "out", FramesProfile())
    other = run(source, tmp_path / "other", limit=3)
    with pytest.raises(DatasetError, match=r"with provenance\.source\.fingerprint = '\w+', this one has"):
        run(other.out, tmp_path / "out")


def earlier(file: Path) -> None:
    """Leave in a record what a version before sides were multiples of 16 wrote."""
    said = json.loads(file.read_text())
    del said["provenance"]["profile"]["side_step"]
    file.write_text(json.dumps(said))


def test_what_an_earlier_version_began_with_other_sides_is_not_gone_on_with(source: Path, tmp_path: Path) -> None:
    def stop(done: int, bad: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "half", progress=watch(stop))
    earlier(tmp_path / "half/unfinished/conversion.json")
    with pytest.raises(
        DatasetError, match=r"with provenance\.profile\.side_step = None, this one has 16; start the same"
    ):
        run(source, tmp_path / "half")
    run(source, tmp_path / "whole")
    earlier(tmp_path / "whole/dataset.json")
    with pytest.raises(DatasetError, match=r"was made with provenance\.profile\.side_step = None, this one has 16\)"):
        run(source, tmp_path / "whole")


def test_shards_with_sides_of_an_earlier_version_are_read_as_before(tmp_path: Path) -> None:
    clip = video(9, (74, 100))
    with DatasetWriter(tmp_path, "clips", provenance={"profile": {"name": "h264_256", "short_side": 74}}) as writer:
        writer.write("a", clip, "mp4", [{"caption": "x"}], {}, probe(clip, "x.mp4"))
    (sample,) = samples_of(tmp_path)
    assert (sample.facts.width, sample.facts.height, sample.media) == (100, 74, clip)
    shown = pixels(clip, "video", [0, 8], (74, 100))
    assert np.abs(shown - np.stack([scene(number, 74, 100) for number in (0, 8)])).mean() < 4


def test_tars_of_others_are_transcoded_once_they_have_an_index(tmp_path: Path) -> None:
    row = json.dumps({"key": "00", "title": "t"}).encode()
    listed = [("00.mp4", CLIPS[0]), ("00.txt", b"a clip\n"), ("00.json", row), ("00.npy", b"numbers")]
    again = [("00.mp4", CLIPS[1]), ("00.txt", b"another")]
    spoilt = [("01.mp4", CLIPS[2]), ("01.txt", b"a third"), ("_02.mp4", CLIPS[2]), ("_02.txt", b"a fourth")]
    write_tar(tmp_path / "t/0.tar", listed)
    write_tar(tmp_path / "t/1.tar", [*again, *spoilt])
    index_tars(str(tmp_path / "t"), looks=Looks(media=True))
    shard = (tmp_path / "t/1.tar").read_bytes()
    at = shard.index(b"a third")
    (tmp_path / "t/1.tar").write_bytes(shard[:at] + b"A" + shard[at + 1 :])
    report = run(tmp_path / "t", tmp_path / "out", FramesProfile(num_frames=2))
    assert (report.num_rows, report.num_samples, report.num_members_left) == (4, 1, 1)
    assert report.quarantined == {"duplicate key": 1, "damaged sample": 1, "malformed line": 1}
    reasons = [line["reason"] for line in quarantine(tmp_path / "out")]
    assert reasons[0].startswith("duplicate key: 1.tar 00: key '00' of input row 1 is taken already by sample 0 of")
    assert reasons[1].startswith("damaged sample: 1.tar 01: .txt is damaged: checksum")
    assert reasons[2].startswith("malformed line: 1.tar _02: key '_02' starts with an underscore")
    (sample,) = samples_of(tmp_path / "out")
    assert sample.record == {"key": "00", "title": "t", "caption": "a clip"} and sample.facts.kind == "frames"


def test_a_dataset_without_a_usable_sample_gives_none(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "bad", "bad") as writer:
        writer.write("a", b"no video", "mp4", [{"caption": "x"}], {}, probe(CLIPS[0], "x.mp4"))
    with DatasetWriter(tmp_path / "empty", "empty"):
        pass
    with pytest.raises(
        ConversionError, match=r"bad: none of its 1 rows gave a sample, so nothing is written; the first: unusable"
    ):
        run(tmp_path / "bad", tmp_path / "out")
    assert not (tmp_path / "out/dataset.json").exists()
    with pytest.raises(ConversionError, match="empty: holds no samples; there is nothing to transcode"):
        run(tmp_path / "empty", tmp_path / "out2")


def test_a_url_is_a_place_like_any_other(source: Path) -> None:
    first = run(source, "memory://transcoded/a", limit=4)
    second = run("memory://transcoded/a", "memory://transcoded/b", FramesProfile(num_frames=2))
    assert (first.num_samples, second.num_rows, second.num_samples) == (4, 4, 4)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_odd_file_is_written_or_quarantined_with_a_reason(corpus: Path, tmp_path: Path) -> None:
    paths = sorted([*(corpus / "videos_odd").iterdir(), *(corpus / "images_odd").iterdir()])
    facts = probe(CLIPS[0], "x.mp4")
    wanted = 0
    with DatasetWriter(tmp_path / "odd", "odd") as writer:
        for number, path in enumerate(paths):
            ext = path.suffix[1:].lower()
            if path.stat().st_size and ext in ("mp4", "webm", "mkv", "jpg", "png", "gif", "mov", "avi", "ts", "ogv"):
                writer.write(f"{number:04d}", path.read_bytes(), ext, [{"caption": path.name}], {}, facts)
                wanted += 1
    for name, profile in (("video", SMALL), ("frames", FramesProfile(num_frames=4, short_side=48))):
        report = run(tmp_path / "odd", tmp_path / name, profile)
        assert report.num_rows == wanted == report.num_samples + report.num_quarantined
        assert report.num_samples > wanted // 3 and set(report.quarantined) == {"unusable media"}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_clip_of_the_corpus_is_transcoded(corpus: Path) -> None:
    """And all videos are shown as they are coded, so that NVDEC is given each of them, and nothing is cut."""
    profile = VideoProfile(short_side=48, gop=8)
    wrong = []
    for path in sorted((corpus / "videos").iterdir()):
        data, ext = path.read_bytes(), path.suffix[1:].lower()
        before = probe(data, path.name)
        try:
            made = transcode(data, ext, profile)
        except ValueError as error:
            wrong.append((path.name, str(error)))
            continue
        near = abs(made.facts.duration - before.duration) < 0.1 + 0.02 * before.duration
        if made.facts.kind == "video" and (abs(made.facts.num_frames - before.num_frames) > 2 or not near):
            wrong.append((path.name, f"{before} -> {made.facts}"))
        if made.facts.kind == "video":
            window = remux(made.media, (0,), gpu=True).window
            assert window == Window((made.facts.width, made.facts.height), 0, 0, made.facts.width, made.facts.height)
    assert not wrong


def test_a_finished_transcoding_run_again_has_nothing_to_do_also_after_a_kill_in_its_last_step(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = (str(source), str(out), "small", SMALL)
    first = transcode_dataset(*arguments, samples_per_shard=4, compared=0)
    before = files(out)
    (out / "unfinished").mkdir()  # what a kill before the last step leaves
    (out / "unfinished/conversion.json").write_text("{}")
    again = transcode_dataset(*arguments, samples_per_shard=4)
    assert again.finished_before and again.quality is None and not first.finished_before
    assert files(out) == before
    same = {"finished_before": False, "seconds": 0, "num_resumed": 0, "members_left": 0}
    assert again.to_dict() | same == first.to_dict() | same
    for changes in ({"samples_per_shard": 5}, {"samples_per_shard": 4, "limit": 2}, {"name": "x"}):
        with pytest.raises(DatasetError, match=r"holds a finished dataset already; .* \(it was made with"):
            transcode_dataset(*arguments, **changes)  # type: ignore[arg-type]


def test_the_medium_and_the_texts_are_those_of_the_index(tmp_path: Path) -> None:
    files = [
        ("0.jpg", b"a thumbnail"),
        ("0.input.mp4", CLIPS[0]),
        ("0.note.json", b'{"alt": ["one", "two"], "n": NaN}'),
    ]
    write_tar(tmp_path / "d" / "0.tar", files)
    rules = MemberRules(media=("input.mp4",), text_members=("note.json",), text_field=("alt",))
    index_tars(str(tmp_path / "d"), looks=Looks(media=True, rules=rules))
    report = run(tmp_path / "d", tmp_path / "out")
    assert (report.num_samples, report.num_records, report.num_members_left) == (1, 2, 1)
    reader = Reader("", str(tmp_path / "out"))
    found = [reader.read(0, row, np.random.default_rng(0)).record for row in range(2)]
    assert found == [{"n": None, "caption": "one"}, {"n": None, "caption": "two"}]
