"""A side table whose bytes were changed anywhere gives values or an error that names it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import SideTableError, WhereError
from shards.select.side_settings import SideSettings
from shards.select.side_tables import open_side_tables
from tests.shards.small_index import sample, save
from tests.shards.small_side import open_index, samples_of, side_of, write_side

SIZES = (5, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of nine samples, and a table of it."""
    folder = tmp_path_factory.mktemp("toy")
    save(folder, [[sample(i) for i in range(size)] for size in SIZES])
    columns = {
        "motion": [0.5] * 9,
        "flag": [True, None] * 4 + [False],
        "label": ["x", None, "z"] * 3,
        "captions": pa.array([["a", None], None, []] * 3, pa.list_(pa.string())),
        "n": pa.array(range(9), pa.int16()),
    }
    write_side(folder / "side.parquet", samples_of(folder), side_of(folder), 4, **columns)
    return folder


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=4), st.booleans())
def test_changed_bytes_are_refused_or_harmless(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], in_footer: bool
) -> None:
    data = bytearray((folder / "side.parquet").read_bytes())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    for place, change in changes:
        at = len(data) - 1 - place % footer if in_footer else place % len(data)
        data[at] ^= change
    file = tmp_path_factory.getbasetemp() / "changed.parquet"
    file.write_bytes(data)
    used = SideSettings((str(file),), f"{file}:captions", "keep", "n")
    try:
        tables = open_side_tables(open_index(folder), used, "motion > 0 and flag and 'x' in label")
        assert tables is not None
        for name in ("motion", "flag", "label"):
            assert len(tables.column(name, 0, 2)) == 9
    except (SideTableError, WhereError) as error:
        assert "\n" not in str(error)
