"""Tars and folders of img2dataset and video2dataset with what they note beside them, to a decoded batch."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tools.containers.given import CLIPS, OF_CLIPS, PICTURES
from tests.tools.datasets.from_files import decoded
from tools.datasets.containers import webdataset
from tools.rows import BadRow, OptionError, Row


def members(number: int) -> dict[str, bytes]:
    """The files of a sample as video2dataset writes them."""
    key = f"{number:09d}"
    about = {
        "url": f"http://host/{number}.mp4",
        "key": key,
        "status": "success",
        "error_message": None,
        "caption": OF_CLIPS[number],
    }
    return {
        f"{key}.mp4": CLIPS[number],
        f"{key}.txt": OF_CLIPS[number].encode(),
        f"{key}.json": json.dumps(about).encode(),
    }


def write_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def shard(folder: Path) -> Path:
    """A shard of three samples, and its log with one download that failed."""
    write_tar(folder / "00000.tar", members(0) | members(1) | members(2))
    keys = [f"{number:09d}" for number in range(4)]
    table = {
        "key": keys,
        "url": [f"http://host/{number}.mp4" for number in range(4)],
        "status": ["success"] * 3 + ["failed_to_download"],
        "error_message": [None] * 3 + ["HTTP Error 404: Not Found"],
    }
    pq.write_table(pa.table(table), folder / "00000.parquet")
    (folder / "00000_stats.json").write_text(json.dumps({"count": 4, "successes": 3}))
    return folder


def test_a_tar_becomes_a_decoded_batch(tmp_path: Path) -> None:
    write_tar(tmp_path / "00000.tar", members(0) | members(1))
    records = decoded("webdataset", tmp_path / "out", "--data", tmp_path / "00000.tar")
    assert [record["caption"] for record in records] == OF_CLIPS[:2]


def test_what_is_about_the_medium_is_kept_beside_the_records_and_failures_are_quarantined(tmp_path: Path) -> None:
    first, _, _, failed = webdataset.rows(shard(tmp_path))
    assert isinstance(first, Row) and first.records == ({"caption": OF_CLIPS[0]},) and first.media == CLIPS[0]
    assert first.meta == {"id": "000000000", "url": "http://host/0.mp4", "key": "000000000", "status": "success"} | {
        "error_message": None
    }
    assert first.record_id == "00000.tar sample '000000000'"
    assert failed == BadRow(
        "00000.parquet row 4",
        f"media not found: {tmp_path.name} 00000.parquet row 4: 'http://host/3.mp4' (key 000000003): "
        "failed_to_download: HTTP Error 404: Not Found; fetch it again, or accept the loss",
    )


def test_folders_of_files_are_read_like_tars(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    folder = shard(tmp_path / "data")
    (folder / "00000").mkdir()
    with tarfile.open(folder / "00000.tar") as tar:
        tar.extractall(folder / "00000", filter="data")
    of_tar = list(webdataset.rows(folder))
    (folder / "00000.tar").unlink()
    of_files = list(webdataset.rows(folder))
    assert [row.record_id for row in of_files[:3]] == [f"00000 sample '{n:09d}'" for n in range(3)]
    for one, other in zip(of_tar[:3], of_files[:3], strict=True):
        assert isinstance(one, Row) and isinstance(other, Row) and other.media_path is not None
        assert (one.key, one.records, one.meta, one.media) == (
            other.key,
            other.records,
            other.meta,
            other.media_path.read_bytes(),
        )
    assert of_tar[3] == of_files[3]
    (folder / "00000.parquet").unlink()
    records = decoded("webdataset", tmp_path / "out", "--data", folder / "00000")
    assert len(records) == 3


def test_samples_that_the_log_promises_are_missed(tmp_path: Path) -> None:
    shard(tmp_path)
    write_tar(tmp_path / "00000.tar", members(0))
    *_, one, two, failed = webdataset.rows(tmp_path)
    assert isinstance(one, BadRow) and "(key 000000001): status success, and no sample is there; run the" in one.reason
    assert isinstance(two, BadRow) and isinstance(failed, BadRow)
    (tmp_path / "00000.parquet").unlink()
    _, stats = webdataset.rows(tmp_path)
    assert isinstance(stats, BadRow) and stats.record_id == "00000_stats.json"
    assert "says 3 successes, 1 samples are there; run the download of this shard again" in stats.reason


def test_members_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    files = {
        "a.jpg": PICTURES[0], "a.txt": b"good",
        "b.jpg": PICTURES[0], "b.txt": b" ",
        "c.txt": b"no medium",
        "d.jpg": PICTURES[0],
        "e.jpg": PICTURES[0], "e.json": b"{",
        "f.jpg": b"", "f.txt": b"empty",
        "a.png": PICTURES[0],
        "nokey": b"x",
    }  # fmt: skip
    write_tar(tmp_path / "t.tar", files)
    rows = list(webdataset.rows(tmp_path / "t.tar"))
    assert [row.key for row in rows if isinstance(row, Row)] == ["a"]
    reasons = "\n".join(row.reason for row in rows if isinstance(row, BadRow))
    for expected in (
        "no usable text: t.tar t.tar sample 'b': has no text: ",
        "malformed line: t.tar t.tar sample 'c': needs a medium and a json or txt, has txt",
        "malformed line: t.tar t.tar sample 'd': needs a medium and a json or txt, has jpg",
        "no usable text: t.tar t.tar sample 'e': json cannot be read",
        "malformed line: t.tar t.tar sample 'f': .jpg has 0 bytes",
        "malformed line: t.tar t.tar sample 'a': ",
        "malformed line: t.tar t.tar member 'nokey': the name has no key",
    ):
        assert expected in reasons, (expected, reasons)
    for name, data in files.items():
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data)
    in_folder = list(webdataset.rows(tmp_path / "files"))
    assert [row.key for row in in_folder if isinstance(row, Row)] == ["a", "f"]
    assert sum(isinstance(row, BadRow) for row in in_folder) == 4


def test_keys_that_begin_anew_in_each_tar_are_told_apart_by_the_tar(tmp_path: Path) -> None:
    (tmp_path / "tars/more").mkdir(parents=True)
    for name in ("0.tar", "more/0.tar"):
        write_tar(tmp_path / "tars" / name, members(0))
    records = decoded("webdataset", tmp_path / "out", "--data", tmp_path / "tars", "--key-prefix", "tar")
    assert len(records) == 2
    ids = [row.meta["id"] for row in webdataset.rows(tmp_path / "tars", key_prefix="tar") if isinstance(row, Row)]
    assert ids == ["0/000000000", "more/0/000000000"]


def test_options_choose_members_and_text(tmp_path: Path) -> None:
    files = {"x/a.b.mp4": CLIPS[0], "x/a.b.jpg": PICTURES[0], "x/a.b.json": b'{"re": {"caption": "new"}, "n": 1}'}
    write_tar(tmp_path / "t.tar", files)
    options = {"media_members": "image", "text_field": "re.caption", "key_until": "last_dot", "key_from": "name"}
    (row,) = webdataset.rows(tmp_path / "t.tar", **options)
    assert isinstance(row, Row) and (row.media, row.ext, row.meta["id"]) == (PICTURES[0], "jpg", "a.b")
    assert row.records == ({"caption": "new"},)
    with pytest.raises(OptionError, match=r"--key-until"):
        webdataset.rows(tmp_path / "t.tar", key_until="comma")


def test_inputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none: no such file or folder; check --data"):
        webdataset.rows(tmp_path / "none")
    with pytest.raises(OptionError, match=r"holds neither \.tar files nor folders of media; unpack compressed tars"):
        webdataset.rows(tmp_path)
    (tmp_path / "a.tar").write_bytes(b"PAR1")
    (bad,) = webdataset.rows(tmp_path)
    assert isinstance(bad, BadRow) and "a.tar: is a parquet file, not a tar" in bad.reason
