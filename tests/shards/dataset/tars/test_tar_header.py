"""The fields of one header, and the records of a pax header."""

from __future__ import annotations

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.dataset.tars.tar_header import SPARSE, TarError, fits, name_of, number_of, pax_records, pax_size


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=99), st.integers(0, 8**11 - 1))
def test_a_header_of_the_standard_library_is_understood(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    header = info.tobuf(tarfile.USTAR_FORMAT)
    assert fits(header)
    assert (name_of(header), number_of(header[124:136], "x", 0)) == (name, size)
    for at in (0, 130, 511):
        assert not fits(header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :])


def test_checksums_of_signed_bytes_fit() -> None:
    header = bytearray(tarfile.TarInfo("caf\xe9").tobuf(tarfile.USTAR_FORMAT, "latin-1"))
    header[148:156] = b"%06o\0 " % (sum(header[:148] + header[156:]) + 256 - 256 * 1)
    assert fits(bytes(header))


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"9 path=a\n", {"path": "a"}),
        (b"9 path=a\n\0\0", {"path": "a"}),
        (b"8 path=\n", {"path": ""}),
        (b"22 GNU.sparse.major=1\n", {SPARSE: "yes", "GNU.sparse.major": "1"}),
        (b"19 GNU.sparse.map=\n", {SPARSE: "yes", "GNU.sparse.map": ""}),
    ],
)
def test_pax_records_are_told_apart(data: bytes, records: dict[str, str]) -> None:
    assert pax_records(data, "x.tar", 512) == records


@pytest.mark.parametrize("data", [b"path=a\n", b"99 path=a\n", b"9 path-a\n", b"3 \n", b"0 a=b\n", b"1" * 30])
def test_a_malformed_pax_header_names_the_byte(data: bytes) -> None:
    with pytest.raises(TarError, match=r"x\.tar: byte 512: malformed pax header"):
        pax_records(data, "x.tar", 512)


def test_numbers_that_are_none_name_the_byte() -> None:
    with pytest.raises(TarError, match=r"byte 7: size field .* is no number"):
        number_of(b"00000000009\0", "x.tar", 7)
    with pytest.raises(TarError, match="byte 7: pax size '-1' is no number"):
        pax_size("-1", "x.tar", 7)
    assert number_of(b"\x80" + (9 << 30).to_bytes(11, "big"), "x.tar", 0) == 9 << 30
