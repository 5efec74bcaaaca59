"""Files of a container stay inside its folder, are verified, and are unpacked within bounds."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from tools.containers.files import (
    Damaged,
    check_compression,
    check_folder,
    check_stored,
    inside,
    known_hash,
    open_stream,
    read_json,
    read_yaml,
    unpack_all,
)
from tools.rows import AnnotationError, OptionError


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/etc/passwd", "", ".", "a\0b", "..\\a", "a" * 256, None, 3, ["a"]]
)
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: object) -> None:
    if name == ".":
        assert inside(tmp_path, "./a", tmp_path) == tmp_path / "a"
        return
    with pytest.raises(AnnotationError, match="which is no path inside"):
        inside(tmp_path, name, tmp_path / "index.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested more than 50 deep, line 1"),
        ("a: &a [1]\nb: *a\n", r"line 2: \*a stands for a list or object; write it out"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
    ],
)
def test_a_yaml_that_would_crash_or_run_something_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(AnnotationError, match=rf"x.yaml: not YAML that can be read \({why}.*\); write it again"):
        read_yaml(tmp_path / "x.yaml", 1 << 20, "write it again")
    with pytest.raises(AnnotationError, match=r"has more than 0 MiB; write it again"):
        read_yaml(tmp_path / "x.yaml", 10, "write it again")


def test_a_yaml_has_plain_values(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &name x\nb: [*name, 2, {c: true}]\n")
    assert read_yaml(tmp_path / "x.yaml", 1 << 20, "") == {"a": "x", "b": ["x", 2, {"c": True}]}


def test_sizes_and_checksums_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"some bytes")
    good = {"sha256": hashlib.sha256(b"some bytes").hexdigest()}
    check_stored(path, 10, good)
    with pytest.raises(Damaged, match=r"has 10 bytes, the index says 11; fetch it again"):
        check_stored(path, 11, {})
    with pytest.raises(Damaged, match=r"its sha256 is .*, the index says 0; fetch it again"):
        check_stored(path, None, {"sha256": "0"})
    with pytest.raises(Damaged, match=r"the file is missing"):
        check_stored(tmp_path / "none", None, {})
    with pytest.raises(Damaged, match=r"is no file"):
        check_stored(tmp_path, None, {})
    assert known_hash("sha1") and known_hash("xxh3_64") and not known_hash("crc") and not known_hash("shake_128")


def test_streams_give_exactly_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b"head" + gzip.compress(b"0123456789"))
    with open_stream(path, "gz:6", 4) as stream:
        assert stream.take(3) == b"012"
        stream.skip(5)
        assert (stream.position, stream.take(2)) == (8, b"89")
        with pytest.raises(Damaged, match=r"ends at byte 10: it was cut off"):
            stream.take(1)
    with open_stream(path) as stream:
        assert stream.take(4) == b"head"


def test_what_is_not_packed_cannot_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no zstd at all")
    with open_stream(tmp_path / "a", "zstd") as stream, pytest.raises(Damaged, match="cannot be unpacked"):
        stream.take(1)
    with pytest.raises(AnnotationError, match=r"is compressed with 'snappy'; read are br, .* write it again"):
        check_compression("snappy", tmp_path)


def test_bytes_that_grow_beyond_their_bound_are_refused() -> None:
    packed = pa.compress(bytes(1 << 20), "zstd", asbytes=True)
    assert unpack_all(packed, 1 << 20) == bytes(1 << 20)
    with pytest.raises(Damaged, match=r"takes more than 1,000 bytes when unpacked"):
        unpack_all(packed, 1000)
    with pytest.raises(Damaged, match="cannot be unpacked"):
        unpack_all(b"no zstd", 1000)


def test_an_index_is_json_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    with pytest.raises(OptionError, match=r"no such file; check --data"):
        read_json(path)
    path.write_text("[" * 5000)
    with pytest.raises(AnnotationError, match=r"not JSON that can be read"):
        read_json(path)
    with pytest.raises(OptionError, match=r"is not a folder; --data wants a"):
        check_folder(path, "a folder of such")
