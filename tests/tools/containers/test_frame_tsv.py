"""Lines of a TSV with the bytes at which they begin, and the index that lists them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.containers.frame_tsv import check_line_index, line_index, line_offsets, read_tsv


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=6), st.booleans())
def test_every_line_is_given_with_its_begin(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    content = b"first\n" + b"\n".join(lines) + (b"\n" if ends else b"")
    path.write_bytes(content)
    for line in read_tsv(path):
        assert isinstance(line.fields, list)
        assert content[line.offset :].startswith(b"\t".join(line.fields))
        assert line.offset == 0 or content[line.offset - 1 : line.offset] == b"\n"
    assert len(list(read_tsv(path))) == sum(bool(line.strip()) for line in content.split(b"\n"))


def test_the_index_beside_a_file_is_found_and_fits(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"1\tx\r\n2\ty\r\n")
    assert line_index(tmp_path / "a.tsv") is None
    (tmp_path / "a.lineidx").write_text("0\n5\n")
    index = line_index(tmp_path / "a.tsv")
    assert index is not None and check_line_index(index, tmp_path / "a.tsv") == 2
    assert list(line_offsets(index)) == [(1, 0), (2, 5)]
    assert [line.fields for line in read_tsv(tmp_path / "a.tsv")] == [[b"1", b"x"], [b"2", b"y"]]
