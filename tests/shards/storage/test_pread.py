"""Reading many ranges at once: the compiled helper and its twin in Python give the same bytes and refuse the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.storage.pread import read_ranges, read_ranges_in_python

Read = Callable[[Sequence[int], Sequence[int], Sequence[int]], list[bytes]]
CONTENT = bytes(range(256)) * 40
READS = pytest.mark.parametrize("read", [read_ranges, read_ranges_in_python])


@pytest.fixture(scope="module")
def fd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("pread") / "content"
    path.write_bytes(CONTENT)
    opened = os.open(path, os.O_RDONLY)
    yield opened
    os.close(opened)


def test_the_helper_was_compiled_where_the_package_was_installed() -> None:
    assert read_ranges.__module__ == "shards.storage._pread"


@READS
@given(ranges=st.lists(st.tuples(st.integers(0, len(CONTENT) + 50), st.integers(0, len(CONTENT)))))
def test_each_range_is_read_as_far_as_the_file_goes(fd: int, read: Read, ranges: list[tuple[int, int]]) -> None:
    offsets, lengths = [range_[0] for range_ in ranges], [range_[1] for range_ in ranges]
    expected = [CONTENT[offset : offset + length] for offset, length in ranges]
    assert read([fd] * len(ranges), offsets, lengths) == expected


@READS
def test_what_cannot_be_read_is_empty(fd: int, read: Read, tmp_path: Path) -> None:
    folder, closed = os.open(tmp_path, os.O_RDONLY), os.dup(fd)
    os.close(closed)
    try:
        assert read([folder, closed, fd], [0, 0, 2], [5, 5, 3]) == [b"", b"", CONTENT[2:5]]
    finally:
        os.close(folder)


@READS
@pytest.mark.parametrize("arguments", [([-1], [0], [1]), ([0], [-1], [1]), ([0], [0], [-1]), ([0, 0], [0], [1])])
def test_a_negative_number_or_one_too_few_is_refused(read: Read, arguments: tuple[list[int], ...]) -> None:
    with pytest.raises(ValueError):
        read(*arguments)


@READS
def test_numbers_that_are_none_are_refused(read: Read) -> None:
    with pytest.raises(TypeError):
        read(["0"], [0], [1])  # type: ignore[list-item]


def test_without_the_helper_the_package_works_all_the_same() -> None:
    code = (
        "import sys; sys.modules['shards.storage._pread'] = None\n"
        "from shards.storage.pread import read_ranges, read_ranges_in_python\n"
        "assert read_ranges is read_ranges_in_python\n"
        "from shards.storage.local import LocalSource\n"
        "assert LocalSource(sys.argv[1]).read_many([('pyproject.toml', 0, 5)]) == [b'[buil']"
    )
    subprocess.run([sys.executable, "-c", code, "."], check=True)
