"""The writer: plain tars, crash safety at every step, clear refusals, local and remote."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from shards.base.errors import DatasetError, SampleRefused, WriteError
from shards.dataset.index.index import Index
from shards.dataset.writing.conversion import AlreadyFinished, WriteSummary
from shards.dataset.writing.new_sample import DuplicateKey
from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import KeyFrames, MediaFacts
from shards.read.reader import Reader
from shards.storage.open import open_source
from tests.shards.fresh import FRESH, run_fresh

FACTS = MediaFacts("video", "h264", 320, 240, 75, 25.0, 3.0)
NUM_ROWS = 60
PROVENANCE = {"annotations": {"file": "a.json", "sha256": "00ff"}, "tool": 1}


def convert(out: str | Path, step: Callable[[int], None] = lambda row: None, **changes: object) -> WriteSummary:
    """A conversion of 60 rows: every seventh is bad, every eleventh repeats an earlier key; shards of 10, or 20 kB."""
    options = {"samples_per_shard": 10, "max_shard_bytes": 20_000, "provenance": PROVENANCE, **changes}
    with DatasetWriter(out, "toy", **options) as writer:  # type: ignore[arg-type]
        for row in range(writer.rows_done, NUM_ROWS):
            step(row)
            key = f"k{row - 20 if row % 11 == 10 and row > 30 else row:03d}"
            if row % 7 == 6:
                writer.quarantine(f"record {row}", "cannot be decoded")
                continue
            media = np.random.default_rng(row).bytes(300 * (1 + row % 9))
            try:
                table = KeyFrames([0, row + 1], [0.0, 0.5], [48, 300]) if changes.get("key_frames") else None
                writer.write(key, media, "mp4", [{"caption": f"{row} ü"}] * (1 + row % 2), {"row": row}, FACTS, table)
            except DuplicateKey as error:
                writer.quarantine(f"record {row}", str(error))
        return writer.close()


def contents(folder: str | Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "toy"
    summary = convert(folder)
    assert summary.num_rows == NUM_ROWS == summary.num_samples + summary.num_quarantined
    assert summary.num_quarantined > 8 and summary.num_shards > 4
    files = contents(folder)
    assert set(files) == {f"{i:06d}.tar" for i in range(summary.num_shards)} | {
        "dataset.json",
        "index.parquet",
        "shards.parquet",
        "quarantine.jsonl",
    }
    assert summary.bytes == sum(len(data) for name, data in files.items() if name.endswith(".tar"))
    return files


# ------------------------------------------------------------ what is written


def test_shards_are_plain_webdataset_tars(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    convert(tmp_path / "toy")
    with tarfile.open(tmp_path / "toy" / "000000.tar") as tar:
        members = tar.getmembers()
        assert [m.name for m in members[:4]] == ["k000.json", "k000.mp4", "k001.json", "k001.mp4"]
        assert {(m.mtime, m.uid, m.uname, m.isreg()) for m in members} == {(0, 0, "", True)}
        text = tar.extractfile("k001.json")
        assert text is not None
        assert json.load(text) == {"records": [{"caption": "1 ü"}] * 2, "row": 1}


def test_any_webdataset_reader_reads_them(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    import webdataset

    for name, data in uninterrupted.items():
        (tmp_path / name).write_bytes(data)
    urls = sorted(str(path) for path in tmp_path.glob("*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert len(samples) == json.loads(uninterrupted["dataset.json"])["num_samples"]
    assert samples[3]["mp4"] == np.random.default_rng(3).bytes(300 * 4)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    convert(tmp_path / "again")
    assert contents(tmp_path / "again") == uninterrupted


def test_shards_keep_both_limits(uninterrupted: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in uninterrupted.items():
        (tmp_path / name).write_bytes(data)
        if name.endswith(".tar"):
            # tar pads a file to a multiple of 10,240 bytes, which no content limit can undo
            assert len(data) <= 20_480
    shards = Reader("toy", str(tmp_path)).index.shards
    assert shards.num_samples.max() <= 10


def test_quarantine_file_lists_row_record_and_reason(uninterrupted: dict[str, bytes]) -> None:
    lines = [json.loads(line) for line in uninterrupted["quarantine.jsonl"].splitlines()]
    assert lines[0] == {"row": 6, "record": "record 6", "reason": "cannot be decoded"}
    assert [line["row"] for line in lines] == sorted(line["row"] for line in lines)
    assert all(line["record"] == f"record {line['row']}" for line in lines)


def test_a_dataset_of_no_samples_is_whole(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "none", "none") as writer:
        writer.quarantine("a", "bad")
    reader = Reader("none", str(tmp_path / "none"))
    assert (
        len(reader.counts) == 0 and json.loads((tmp_path / "none" / "dataset.json").read_text())["num_quarantined"] == 1
    )


# ------------------------------------------------------------ killed and resumed


def convert_killed_at(folder: Path, step: int, when: str) -> None:
    """A conversion that dies before or after so many renamings, if it has as many."""
    replace, calls = os.replace, iter(range(step))

    def dying(source: str, target: str) -> None:
        last = next(calls, None) is None
        if not (last and when == "before"):
            replace(source, target)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = dying  # type: ignore[assignment]
    convert(folder)


@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.long)])
def test_killed_around_every_step_that_changes_the_folder_then_resumed(
    tmp_path: Path, uninterrupted: dict[str, bytes], when: str
) -> None:
    step = 0
    while True:
        folder = tmp_path / f"{when}{step}"
        if (code := run_fresh(convert_killed_at, folder, step, when)) == 0:
            break
        assert code == -signal.SIGKILL
        found = contents(folder)
        for name, data in found.items():
            if "/" not in name:  # whatever has its final name is whole
                assert data == uninterrupted[name], (step, name)
        if "dataset.json" in found:
            assert found.items() >= uninterrupted.items()
            with pytest.raises(DatasetError, match="holds a finished dataset already"):
                convert(folder)
        else:
            with pytest.raises(DatasetError, match="its conversion was not finished"):
                Reader("toy", str(folder))
            convert(folder)
        assert contents(folder) == uninterrupted, step
        step += 1
    assert step > 12


def convert_and_tell(folder: Path, pipe: Connection) -> None:
    """A conversion that sends the number of each row, and waits at the last one: else it might be done before it is
    killed."""

    def tell(row: int) -> None:
        pipe.send(row)
        if row == NUM_ROWS - 1:
            pipe.recv()

    convert(folder, tell)


@pytest.mark.parametrize("rows", [3, 29, 58])
def test_killed_from_outside_at_any_time_then_resumed(
    tmp_path: Path, uninterrupted: dict[str, bytes], rows: int
) -> None:
    parent, child = FRESH.Pipe()
    process = FRESH.Process(target=convert_and_tell, args=(tmp_path / "toy", child), daemon=True)
    process.start()
    while parent.recv() < rows:
        pass
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    started_at: list[int] = []
    summary = convert(tmp_path / "toy", started_at.append)
    assert summary.num_rows == NUM_ROWS
    assert rows < 10 or started_at[0] > 0
    assert contents(tmp_path / "toy") == uninterrupted


def test_an_exception_keeps_finished_shards_and_resumes(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    def fail(row: int) -> None:
        if row == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(tmp_path / "toy", fail)
    assert not (tmp_path / "toy" / "dataset.json").exists()
    assert not list((tmp_path / "toy").rglob("*.writing"))
    convert(tmp_path / "toy")
    assert contents(tmp_path / "toy") == uninterrupted


def test_gop_tables_are_kept_and_come_through_a_resume(tmp_path: Path) -> None:
    def fail(row: int) -> None:
        if row == 40:
            raise KeyboardInterrupt

    convert(tmp_path / "whole", key_frames=True)
    with pytest.raises(KeyboardInterrupt):
        convert(tmp_path / "toy", fail, key_frames=True)
    convert(tmp_path / "toy", key_frames=True)
    assert contents(tmp_path / "toy") == contents(tmp_path / "whole")
    opened = Index.open(open_source(tmp_path / "toy"))
    assert opened.gop_table(1, 0) is not None
    for shard, count in enumerate(opened.shards.num_samples.tolist()):
        for row in range(count):
            number = int(opened.rows(shard).keys[row][1:])
            table = opened.gop_table(shard, row)
            assert table is not None and table.frames[1] >= number + 1 and table.offsets == [48, 300]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_frames": True}, "with key_frames = None, this one has True"),
        ({"samples_per_shard": 11}, "samples_per_shard = 10, this one has 11"),
        ({"provenance": {**PROVENANCE, "tool": 2}}, r"provenance\.tool = 1, this one has 2"),
        ({"provenance": {"tool": 1}}, r"provenance\.annotations\.file = 'a\.json', this one has none"),
    ],
)
def test_a_resume_with_other_inputs_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    writer = DatasetWriter(tmp_path / "toy", "toy", 10, 20_000, PROVENANCE)
    writer.abort()
    with pytest.raises(DatasetError, match=message):
        convert(tmp_path / "toy", **changes)


def test_a_resume_over_a_lost_or_changed_shard_is_refused(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> Path:
        writer = DatasetWriter(folder, "toy", samples_per_shard=1)
        for key in ("a", "b"):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)
        writer.abort()
        return folder

    folder = interrupted(tmp_path / "lost")
    (folder / "000000.tar").unlink()
    with pytest.raises(DatasetError, match=r"000000\.tar: should have 10240 bytes, is missing"):
        DatasetWriter(folder, "toy", samples_per_shard=1)
    folder = interrupted(tmp_path / "short")
    (folder / "000001.tar").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"000001\.tar: should have 10240 bytes, has 1"):
        DatasetWriter(folder, "toy", samples_per_shard=1)
    folder = interrupted(tmp_path / "changed")
    data = bytearray((folder / "000001.tar").read_bytes())
    data[512 * 3] ^= 1
    (folder / "000001.tar").write_bytes(data)
    with pytest.raises(DatasetError, match=r"000001\.tar: .*was changed since it was written \(checksum \w{32}, not"):
        DatasetWriter(folder, "toy", samples_per_shard=1)
    folder = interrupted(tmp_path / "gap")
    (folder / "unfinished" / "000000.parquet").unlink()
    with pytest.raises(DatasetError, match=r"unfinished: files are missing among \[1\]; delete"):
        DatasetWriter(folder, "toy", samples_per_shard=1)


def test_tars_of_someone_else_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"holds 1 tar files \(x\.tar"):
        DatasetWriter(tmp_path, "toy")
    assert contents(tmp_path) == {"x.tar": b""} and not (tmp_path / "unfinished").exists()


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    first = DatasetWriter(tmp_path / "toy", "toy")
    with pytest.raises(WriteError, match="toy: another process is writing this dataset"):
        DatasetWriter(tmp_path / "toy", "toy")
    first.abort()
    DatasetWriter(tmp_path / "toy", "toy").abort()


# ------------------------------------------------------------ output that cannot be written


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def write_many(out: Path, num: int) -> WriteSummary:
    with DatasetWriter(out, "toy", samples_per_shard=4) as writer:
        for row in range(writer.rows_done, num):
            writer.write(f"k{row}", np.random.default_rng(row).bytes(20_000), "mp4", [{"caption": "c"}], {}, FACTS)
        return writer.close()


def test_a_full_disk_leaves_whole_shards_says_so_and_resumes(small_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WriteError, match=r"disk/toy/.*No space left on device.*free space there.*start the same"
    ) as info:
        write_many(small_disk / "toy", 40)
    assert info.value.errno == errno.ENOSPC
    shards = sorted((small_disk / "toy").glob("*.tar"))
    assert len(shards) == 2
    for shard in shards:
        with tarfile.open(shard) as tar:
            assert len(tar.getmembers()) == 8
    assert not list((small_disk / "toy").rglob("*.writing"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    writer = DatasetWriter(small_disk / "toy", "toy", samples_per_shard=4)
    writer.abort()
    write_many(small_disk / "toy", 40)
    write_many(tmp_path / "whole", 40)
    assert contents(small_disk / "toy") == contents(tmp_path / "whole")


@pytest.mark.parametrize("name", ["000001.tar", "000001.parquet", "index.parquet", "dataset.json"])
def test_a_failure_at_any_file_names_it_and_resumes(
    tmp_path: Path, uninterrupted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    replace = os.replace

    def full(source: str, target: str) -> None:
        if target.endswith(name):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WriteError, match=rf"{name}: cannot be written .*quota exceeded.*quota is used up"):
        convert(tmp_path / "toy")
    monkeypatch.undo()
    convert(tmp_path / "toy")
    assert contents(tmp_path / "toy") == uninterrupted


def test_a_failed_writer_refuses_further_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = DatasetWriter(tmp_path / "toy", "toy")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer.write("a", b"x", "mp4", [{"caption": ""}], {}, FACTS)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match="No space left"):
        writer.close()
    monkeypatch.undo()
    with pytest.raises(ValueError, match="this writer is broken; make a new one"):
        writer.write("b", b"x", "mp4", [{"caption": ""}], {}, FACTS)
    assert not list(tmp_path.rglob("*.tar"))


def test_a_failure_caught_inside_the_block_is_not_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ValueError, match="this writer is broken"), DatasetWriter(tmp_path / "toy", "toy", 1) as writer:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(WriteError):
            writer.write("a", b"x", "mp4", [{"caption": ""}], {}, FACTS)
        monkeypatch.undo()


def open_without_permission(folder: Path) -> None:
    if os.getuid() == 0:
        os.setuid(65534)  # permissions do not bind root
    with pytest.raises(WriteError, match=r"closed.*ermission.*make the folder writable"):
        DatasetWriter(folder, "toy")


def test_no_permission_names_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)

    assert run_fresh(open_without_permission, folder) == 0


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=r"file: cannot be written .*a file is in the way"):
        DatasetWriter(tmp_path / "file", "toy")
    with pytest.raises(WriteError, match=r"a part of the path is a file"):
        DatasetWriter(tmp_path / "file" / "deeper", "toy")


# ------------------------------------------------------------ samples that are refused


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is empty"),
        ("a.b", "has a dot"),
        ("../a", "not a plain relative path"),
        ("a/../b", "not a plain relative path"),
        ("/a", "not a plain relative path"),
        ("a//b", "not a plain relative path"),
        ("a/", "not a plain relative path"),
        ("a\\b", "not a plain relative path"),
        ("a\0b", "do not print"),
        ("a\nb", "do not print"),
        ("a\udc80", "do not print"),
        ("_a", "starts with an underscore"),
        ("x" * 100, "the name has 105 bytes, a tar allows 100"),
        ("ü" * 49, "the name has 103 bytes"),
    ],
)
def test_bad_keys_are_refused_and_do_not_count(tmp_path: Path, key: str, why: str) -> None:
    with DatasetWriter(tmp_path / "toy", "toy") as writer:
        with pytest.raises(SampleRefused, match=why):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)
        assert writer.rows_done == 0


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        ({"records": []}, "needs a list of one or more records"),
        ({"records": ["caption"]}, "needs a list of one or more records"),
        ({"records": [{"caption": float("nan")}]}, "cannot be written as json"),
        ({"records": [{"caption": b"bytes"}]}, "cannot be written as json"),
        ({"records": [{"caption": "\ud800"}]}, "cannot be written as json"),
        ({"meta": {"records": 1}}, "which is taken"),
        ({"ext": "exe"}, "extension 'exe' is unknown"),
        ({"ext": "MP4"}, "extension 'MP4' is unknown"),
        ({"ext": "json"}, "the medium itself is called json"),
        ({"media": b""}, "mp4 has 0 bytes"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, sample: dict[str, object], why: str) -> None:
    good = {"media": b"x", "ext": "mp4", "records": [{"caption": ""}], "meta": {}, "facts": FACTS}
    with DatasetWriter(tmp_path / "toy", "toy") as writer, pytest.raises(SampleRefused, match=why):
        writer.write("k", **{**good, **sample})  # type: ignore[arg-type]


def test_keys_of_folders_and_other_alphabets_are_kept(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "toy", "toy") as writer:
        for key in ("a/b", "видео", "a b'&%"):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)
    reader = Reader("toy", str(tmp_path / "toy"))
    assert [reader.origin(0, i).key for i in range(3)] == ["a/b", "видео", "a b'&%"]


def test_a_duplicate_names_key_and_both_places_also_after_a_resume(tmp_path: Path) -> None:
    def add(writer: DatasetWriter, key: str) -> None:
        writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)

    writer = DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=2)
    for key in ("a", "b", "c"):
        add(writer, key)
    with pytest.raises(DuplicateKey, match=r"key 'b' of input row 3 is taken already by sample 1 of 000000\.tar"):
        add(writer, "b")
    with pytest.raises(DuplicateKey, match=r"key 'c' of input row 3 is taken already by sample 0 of 000001\.tar"):
        add(writer, "c")
    writer.abort()
    with DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=2) as writer:
        assert writer.rows_done == 2
        with pytest.raises(DuplicateKey, match="sample 0 of 000000"):
            add(writer, "a")


def test_keys_that_share_a_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xxhash.xxh3_64_intdigest", lambda data: 7)
    with DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=2) as writer:
        for key in ("a", "b", "c"):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)


# ------------------------------------------------------------ URLs


def test_a_url_gets_the_same_bytes_also_after_an_interruption(
    tmp_path: Path, uninterrupted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    def fail(row: int) -> None:
        if row == 40:
            raise RuntimeError("stop")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    url = f"memory://{tmp_path.name}/toy"
    with pytest.raises(RuntimeError, match="stop"):
        convert(url, fail)
    convert(url)
    files = fsspec.filesystem("memory")
    found = {path.rsplit("/toy/", 1)[1]: files.cat_file(path) for path in files.find(f"/{tmp_path.name}/toy")}
    assert found == uninterrupted
    assert not list(tmp_path.iterdir())  # nothing stays in the scratch folder
    reader = Reader("toy", url)
    assert reader.read(0, 0, np.random.default_rng(0)).record == {"caption": "0 ü"}


def test_s3_gets_the_same_bytes_and_is_read_back(
    uninterrupted: dict[str, bytes], s3_server: object, s3_login: Callable[[str, str], None]
) -> None:
    import s3fs

    s3_login(s3_server.key, s3_server.secret)  # type: ignore[attr-defined]

    def fail(row: int) -> None:
        if row == 40:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        convert("s3://bucket/toy", fail)
    convert("s3://bucket/toy")
    with pytest.raises(AlreadyFinished, match=r"toy: holds a finished dataset already, made in the same way"):
        convert("s3://bucket/toy")
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    found = {path.removeprefix("bucket/toy/"): files.cat_file(path) for path in files.find("bucket/toy")}
    assert found == uninterrupted
    reader = Reader("toy", "s3://bucket/toy")
    assert reader.read(2, 1, np.random.default_rng(0)).origin.shard == "000002.tar"


def test_s3_with_wrong_keys_fails_at_once(s3_server: object, s3_login: Callable[[str, str], None]) -> None:
    s3_login(s3_server.key, "wrong")  # type: ignore[attr-defined]
    with pytest.raises(WriteError, match=r"s3://bucket/other: access refused.*check AWS_ACCESS_KEY_ID"):
        DatasetWriter("s3://bucket/other", "toy")
