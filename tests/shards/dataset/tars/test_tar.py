"""The header walk agrees with the standard library, and refuses what is not whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_header import TarError
from tests.shards.dataset.tars.packed import FORMATS, expected, names, pack


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.lists(names, min_size=1, max_size=6), st.binary(max_size=1500)), max_size=6),
    st.sampled_from(["gnu", "pax"]),
)
def test_finds_what_tarfile_finds(files: list[tuple[list[str], bytes]], form: str) -> None:
    data = pack([("/".join(pieces), content) for pieces, content in files], form)
    assert scan(io.BytesIO(data)) == expected(data)


@pytest.mark.parametrize("form", FORMATS)
def test_offsets_point_at_the_bytes(tmp_path: Path, form: str) -> None:
    files = [(f"{'d' * 60}/{'n' * 70}{i}.json", bytes([i]) * (i * 511)) for i in range(5)]
    path = tmp_path / "a.tar"
    path.write_bytes(pack(files, form, mtime=1.25 if form == "pax" else 1))
    raw = path.read_bytes()
    assert [(name, raw[offset : offset + size]) for name, offset, size in scan(path)] == files
    assert scan(str(path)) == scan(path)


def test_lists_regular_files_only() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"x{kind!r}")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("real")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    assert [member.name for member in scan(io.BytesIO(buffer.getvalue()))] == ["real"]


def test_names_that_climb_out_come_back_as_data_and_touch_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(pack([("../../evil.json", b"x"), ("/etc/evil", b"y")]))
    assert [member.name for member in scan(path)] == ["../../evil.json", "/etc/evil"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar"]


def test_compressed_tars_are_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    with pytest.raises(TarError, match="is gzip compressed"):
        scan(path)


def test_a_file_that_is_not_local_is_read_in_few_pieces() -> None:
    reads = 0

    class Spy(io.BytesIO):
        def read(self, *args: int) -> bytes:  # type: ignore[override]
            nonlocal reads
            reads += 1
            return super().read(*args)

    raw = pack([(f"{i}.jpg", b"x" * 20_000) for i in range(500)])
    assert len(scan(Spy(raw))) == 500
    assert reads <= len(raw) // (1 << 22) + 2
