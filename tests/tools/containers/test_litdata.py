"""LitData: an index of chunks, and any damage of any form of chunk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.containers.given import FIXTURES, copy_of
from tools.containers.files import Damaged
from tools.containers.litdata import read_chunk, read_index

FORMS = ("plain", "batch", "chunk", "sample", "arrow")


def test_an_index_says_chunks_and_leaves() -> None:
    index = read_index(FIXTURES / "litdata/plain")
    assert [(name, count) for name, _, count in index.chunks] == [("chunk-0-0.bin", 2), ("chunk-0-1.bin", 1)]
    assert index.leaves[:2] == [("clip", "video:mp4"), ("caption", "str")] and not index.packs_items
    _, path, count = index.chunks[1]
    ((_, values),) = read_chunk(index, path, count, ["clip"])
    assert values == {"caption": "a person crosses dunes", "id": 2, "ok": True, "length": 1.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("any")
    for form in FORMS:
        copy_of(f"litdata/{form}", root)
    return root / "litdata"


@given(st.sampled_from(FORMS), st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8))
def test_any_change_gives_items_or_damage(folder: Path, form: str, at: int, change: bytes) -> None:
    index = read_index(folder / form)
    name, path, count = index.chunks[0]
    content = bytearray((FIXTURES / "litdata" / form / name).read_bytes())
    at %= len(content) - len(change)
    content[at : at + len(change)] = change
    path.write_bytes(bytes(content))
    try:
        for _, values in read_chunk(index, path, count):
            assert isinstance(values, dict | Damaged)
    except Damaged as flaw:
        assert ";" in str(flaw)
