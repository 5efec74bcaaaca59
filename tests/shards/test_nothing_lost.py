"""Every name that was put into a tar, by whatever writer and whatever happened to it, ends in exactly one place."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from shards.cli.app import app
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.indexing.tar_jobs import DamagedShard
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan_all
from shards.dataset.tars.tar_header import TarError
from shards.dataset.tars.tar_samples import ShardSamples, read_samples, stream_samples
from tests.shards.dataset.tars.packed import pack

JSON = b'{"caption": "x"}'
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


class Put(NamedTuple):
    """Something that is put into a tar."""

    name: str
    kind: str
    size: int


def sample(key: str, kind: str, size: int) -> list[Put]:
    return [Put(f"{key}.jpg", kind, size), Put(f"{key}.json", "file", len(JSON))]


KINDS = ("file", "file", "file", "symlink", "nowhere", "hard", "sparse", "pipe")
folders = st.sampled_from(["", "d/", "d/e/", "l" * 90 + "/" + "m" * 60 + "/"])
trees = st.lists(
    st.tuples(folders, st.sampled_from(KINDS), st.integers(1, 3000), st.booleans()), min_size=1, max_size=8
).map(
    lambda drawn: [
        put
        for number, (folder, kind, size, lonely) in enumerate(drawn)
        for put in sample(f"{folder}{number:03d}", kind, size)[: 1 if lonely else 2]
    ]
)


def lay_out(folder: Path, puts: list[Put], first: Path | None = None) -> None:
    """Make the files of a tree."""
    for put in puts:
        path = folder / put.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if put.kind == "symlink":
            path.symlink_to(puts[0].name)
        elif put.kind == "nowhere":
            path.symlink_to("/nowhere/at all")
        elif put.kind == "hard" and first is not None:
            os.link(first, path)
        elif put.kind == "pipe":
            os.mkfifo(path)
        elif put.kind == "sparse":
            with path.open("wb") as file:
                file.write(b"d" * 4096)
                file.truncate(1 << 20)
        else:
            path.write_bytes(JSON if put.name.endswith("json") else b"x" * put.size)
        if put.kind == "file" and first is None:
            first = path


def by_program(*command: str) -> Callable[[Path, list[Put]], bytes]:
    def write(folder: Path, puts: list[Put]) -> bytes:
        lay_out(folder, puts)
        names = "".join(put.name + "\0" for put in puts)
        return subprocess.run(
            [*command, "-C", str(folder), "--null", "-T", "-"], input=names.encode(), check=True, capture_output=True
        ).stdout

    return write


def by_python(form: int) -> Callable[[Path, list[Put]], bytes]:
    def write(folder: Path, puts: list[Put]) -> bytes:
        lay_out(folder, puts)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
            for put in puts:
                tar.add(folder / put.name, put.name, recursive=False)
        return buffer.getvalue()

    return write


def by_webdataset(folder: Path, puts: list[Put]) -> bytes:
    from webdataset import TarWriter

    buffer = io.BytesIO()
    writer = TarWriter(buffer, encoder=False)
    for put in puts:
        key, _, ext = put.name.rpartition(".")
        writer.write({"__key__": key, ext: JSON if ext == "json" else b"x" * put.size})
    writer.close()
    return buffer.getvalue()


WRITERS = {
    "gnu": by_program("tar", "-S", "--format=gnu", "-cf", "-"),
    "posix": by_program("tar", "-S", "--format=posix", "-cf", "-"),
    "posix-0.1": by_program("tar", "-S", "--format=posix", "--sparse-version=0.1", "-cf", "-"),
    "v7": by_program("tar", "--format=v7", "-cf", "-"),
    "bsdtar": by_program("bsdtar", "-cf", "-"),
    "bsdtar-gnu": by_program("bsdtar", "--format=gnutar", "-cf", "-"),
    **{f"python-{name}": by_python(form) for name, form in FORMATS.items()},
    "webdataset": by_webdataset,
}


def headers(raw: bytes) -> list[tuple[str, int, int]]:
    """(name, byte of the first header, byte behind) of all but directories, by the standard library."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        members = list(tar)
        end = tar.offset - 512 if members else 0
    starts = [member.offset for member in members] + [end]
    found = zip(members, starts, starts[1:], strict=False)
    # The standard library leaves a part of the name of GNU's sparse files as it is in the header.
    return [
        (re.sub(r"GNUSparseFile\.\d+/", "", member.name), start, stop)
        for member, start, stop in found
        if not member.isdir()
    ]


Entries = list[tuple[str, int, int]]


def is_like_an_end(start: int, stop: int, length: int) -> bool:
    """Zeros that nobody can tell from an end marker."""
    return stop - start == 1024 or (stop % 10_240 == 0 and stop - start < 11_264) or (stop == length <= start + 1024)


def damaged(data: st.DataObject, raw: bytes, entries: Entries, is_last: bool) -> tuple[bytes, Entries]:
    """A tar after an accident, and where its headers are or were."""
    accidents = ["none", "behind", "behind far", "zeros", "tail", "hole", "flip", *(["cut"] if is_last else [])]
    accident = data.draw(st.sampled_from(accidents))
    at = data.draw(st.integers(0, len(entries) - 1))
    _, start, stop = entries[at]
    if accident == "behind":
        return raw + data.draw(st.binary(min_size=1, max_size=2000)) + b"x", entries
    if accident == "behind far":
        return raw + bytes(512 * data.draw(st.integers(1, 50))) + b"garbage" * 100, entries
    if accident == "zeros":
        num = 512 * data.draw(st.integers(1, 30))
        moved = [(name, one + num * (one >= start), two + num * (one >= start)) for name, one, two in entries]
        return raw[:start] + bytes(num) + raw[start:], moved
    if accident == "tail":
        begin = data.draw(st.sampled_from([start, start + 512 + (stop - start) // 2]))
        # What is in front of a header is another file, also where it ends in zeros.
        end = begin if begin == start else len(raw[:begin].rstrip(b"\0"))
        assume(not is_like_an_end(-(-end // 512) * 512, len(raw), len(raw)))
        # A file that itself ends in zeros is whole still, and the zeros behind it are where a header should be.
        assume(begin == start or not is_like_an_end(stop, len(raw), len(raw)))
        return raw[:begin] + bytes(len(raw) - begin), entries
    if accident == "hole":
        assume(not is_like_an_end(start, stop, len(raw)) and stop < entries[-1][2])
        return raw[:start] + bytes(stop - start) + raw[stop:], entries
    if accident == "flip":
        byte = start + data.draw(st.integers(0, 511))
        return raw[:byte] + bytes([raw[byte] ^ 1 << data.draw(st.integers(0, 7))]) + raw[byte + 1 :], entries
    if accident == "cut":
        return raw[: data.draw(st.integers(1, max(1, entries[-1][2])))], entries
    return raw, entries


def look(path: Path, raw: bytes) -> ShardSamples | str:
    """What is found in a tar, or why it is left out; the same on this machine and far away."""
    path.write_bytes(raw)
    found: list[ShardSamples | str] = []
    for way in (
        lambda: read_samples(scan_all(path), str(path), Looks()),
        lambda: stream_samples(lambda offset, length: raw[offset : offset + length], len(raw), str(path), Looks()),
    ):
        try:
            found.append(way())
        except TarError as error:
            found.append(str(error))
    assert found[0] == found[1]
    return found[0]


def places(found: ShardSamples) -> tuple[Counter[str], list[tuple[int, int]]]:
    """The names of rows and of quarantine lines, and the bytes of named damage."""
    names = [f"{row.key}.{member.ext}" for row in found.rows for member in row.members]
    damage = []
    for line in found.quarantined:
        if line["member"] is None:
            first, last = re.findall(r"bytes (\d+) to (\d+)", line["reason"])[0]
            damage.append((int(first), int(last)))
        names += line.get("members", [line["member"]] if line["member"] else [])
    return Counter(names), damage


def check_verify(folder: Path, found: ShardSamples | str) -> None:
    """`index` and `verify` over the folder say what was found."""
    write = folder / "good.tar"
    write.write_bytes(pack([("g.jpg", b"x"), ("g.json", JSON)]))
    report = index_tars(str(folder))
    told = CliRunner().invoke(app, ["verify", str(folder), "--jobs", "1", "--json"])
    problems = json.loads(told.stdout)["problems"]
    if isinstance(found, str):
        assert report.damaged == {"x.tar": found}
        assert [problem["shard"] for problem in problems] == ["x.tar"] and found in problems[0]["found"]
    else:
        assert (report.num_samples, report.num_quarantined) == (1 + len(found.rows), len(found.quarantined))
        assert not problems, problems


def check_one(writer: str, data: st.DataObject) -> None:
    program = {"gnu": "tar", "posix": "tar", "posix-0.1": "tar", "v7": "tar"}.get(writer, "bsdtar")
    if not writer.startswith(("python", "webdataset")) and shutil.which(program) is None:
        assert "MCG_REQUIRE_TARS" not in os.environ, f"{program} is to be here"
        pytest.skip(f"no {program}")
    is_old = writer in ("v7", "python-ustar")
    raw, entries = b"", Entries()
    with tempfile.TemporaryDirectory() as place:
        num_tars = data.draw(st.integers(1, 2))  # two: joined
        for number in range(num_tars):
            puts = data.draw(trees)
            if is_old:
                puts = [put for put in puts if len(put.name) < 90 and put.kind != "pipe"] or sample("0", "file", 700)
            part = WRITERS[writer](Path(place, str(number)), [Put(f"{number}{p.name}", *p[1:]) for p in puts])
            mine = headers(part)
            assert Counter(name for name, _, _ in mine) == Counter(f"{number}{put.name}" for put in puts)
            one, mine = damaged(data, part, mine, number == num_tars - 1)
            entries += [(name, start + len(raw), stop + len(raw)) for name, start, stop in mine]
            raw += one
        folder = Path(place, "tars")
        folder.mkdir()
        found = look(folder / "x.tar", raw)
        if not isinstance(found, str):
            names, damage = places(found)
            # Behind the end of the file is what was cut off.
            damage = [(first, last if last < len(raw) else 1 << 40) for first, last in damage]
            covered = [any(first <= start < last for first, last in damage) for _, start, _ in entries]
            assert names == Counter(name for (name, _, _), lost in zip(entries, covered, strict=True) if not lost)
        check_verify(folder, found)


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data())
def test_every_name_ends_in_one_place(writer: str, data: st.DataObject) -> None:
    check_one(writer, data)


@pytest.mark.long
@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data())
def test_every_name_ends_in_one_place_over_many_trees(writer: str, data: st.DataObject) -> None:
    check_one(writer, data)


def test_a_folder_of_nothing_but_damage_gives_no_index(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(pack([("g.jpg", b"x")])[:700])
    with pytest.raises(DamagedShard, match=r"none of 1 tars can be indexed: x\.tar: .*cut off"):
        index_tars(str(tmp_path))
