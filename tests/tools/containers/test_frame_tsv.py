"""Lines of a TSV with the bytes at which they begin, and the index that lists them."""

from __future__ import annotations

import base64
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.containers.given import PICTURES
from tools.containers.frame_tsv import (
    Form,
    TsvLine,
    check_id_index,
    check_line_index,
    form_of,
    id_index,
    line_index,
    line_offsets,
    read_tsv,
)
from tools.rows import AnnotationError


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
    assert list(read_tsv(tmp_path / "a.tsv")) == [TsvLine(1, 0, [b"1", b"x"]), TsvLine(2, 5, [b"2", b"y"])]


@given(
    first=st.integers(1, 4),
    count=st.integers(1, 5),
    lines=st.integers(3, 8),
    head=st.sampled_from(["", "{}", "AAAA", "1.5", "[1, 2]"]),
    odd=st.integers(0, 2),
)
def test_the_form_is_that_of_most_lines(
    tmp_path_factory: pytest.TempPathFactory, first: int, count: int, lines: int, head: str, odd: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "form.tsv"
    pictures = [base64.b64encode(picture).decode() for picture in PICTURES * 2]
    rows = [["v", *[head] * (first - 1), *pictures[:count]] for _ in range(lines)]
    if lines > 3:
        rows[odd] = rows[odd][:-1] if count > 1 else [*rows[odd], pictures[0]]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    assert form_of(path) == Form(first, count)


def test_a_file_without_pictures_has_no_form_and_one_without_a_rule_no_number(tmp_path: Path) -> None:
    picture = base64.b64encode(PICTURES[0]).decode()
    for text, form in (("a\tx\n", None), (f"a\t{picture}\nb\t{picture}\t{picture}\n", Form(1, None))):
        (tmp_path / "a.tsv").write_text(text)
        assert form_of(tmp_path / "a.tsv") == form


def test_the_index_by_id_fits_its_file(tmp_path: Path) -> None:
    tsv, index = tmp_path / "img.tsv", tmp_path / "img.id2lineidx.pkl"
    tsv.write_bytes("é\tx\nb\ty\n".encode())
    assert id_index(tsv) is None
    index.write_bytes(pickle.dumps({"é": 0, "b": 5}))
    assert id_index(tsv) == index
    check_id_index(index, tsv)


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("run",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"b": 0}, r"img.id2lineidx.pkl: no line of the id 'b' begins at byte 0; it is not that of img.tsv: make it"),
        ({"b": 6}, r"no line of the id 'b' begins at byte 6"),
        ({"a": 1 << 40}, r"no line of the id 'a' begins at byte 1,099,511,627,776"),
        ({"a": -1}, r"id 'a' is at '-1', which is no byte"),
        ({"a": "0"}, r"id 'a' is at '0', which is no byte"),
        ([0, 4], r"expected \{id: byte\}, found list"),
        (Hostile(), r"the pickle .*posix.mkdir.*; or delete it \(it is not needed\)"),
    ],
)
def test_an_index_by_id_of_another_file_is_refused_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img.tsv").write_text("a\tx\nb\ty\n")
    (tmp_path / "img.id2lineidx.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(AnnotationError, match=message):
        check_id_index(tmp_path / "img.id2lineidx.pkl", tmp_path / "img.tsv")
    assert not (tmp_path / "run").exists()
