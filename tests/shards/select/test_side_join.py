"""Rows of a side table find their samples, whatever their order; tables of other data are refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import SideTableError
from shards.dataset.index.index import Index
from shards.select.side_file import SideFile
from shards.select.side_join import join
from tests.shards.small_index import sample, save
from tests.shards.small_side import side_of, write_side

SIZES = (4, 0, 7, 3)
OTHER = "0" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards, one of them empty, whose keys begin anew in each; row groups of two shards."""
    folder = tmp_path_factory.mktemp("toy")
    save(folder, [[sample(i) for i in range(size)] for size in SIZES], group_rows=8)
    return folder


EVERY = [(f"{shard:06d}.tar", f"{i:09d}") for shard, size in enumerate(SIZES) for i in range(size)]
FOREIGN = [("000001.tar", "000000000"), ("x.tar", "000000000"), ("000000.tar", "x"), ("", "")]


def positions(folder: Path, file: Path) -> list[int]:
    from shards.storage.open import open_source

    found: list[int] = join(SideFile(str(file)), Index.open(open_source(str(folder)))).tolist()
    return found


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from([*EVERY, *FOREIGN]), unique=True, min_size=1),
    st.booleans(),
    st.integers(1, 9),
    st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]),
)
def test_every_sample_finds_its_row(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Any],
    is_sorted: bool,
    group: int,
    kind: pa.DataType,
) -> None:
    rows = sorted(rows) if is_sorted else rows
    file = write_side(tmp_path_factory.mktemp("join") / "a.parquet", rows, None, group)
    pq.write_table(pq.read_table(file).cast(pa.schema({"shard": kind, "key": kind})), file, row_group_size=group)
    expected = [rows.index(at) if at in rows else -1 for at in EVERY]
    if max(expected) < 0:
        with pytest.raises(SideTableError, match="none of its"):
            positions(folder, file)
    else:
        assert positions(folder, file) == expected


def test_a_key_alone_means_the_sample_of_every_shard(folder: Path, tmp_path: Path) -> None:
    rows = [("", f"{i:09d}") for i in (5, 1, 99)]
    found = positions(folder, write_side(tmp_path / "a.parquet", rows, by_key=True))
    assert found == [{5: 0, 1: 1}.get(int(key), -1) for _, key in EVERY]


def test_two_rows_for_a_sample_and_rows_for_none_are_refused(folder: Path, tmp_path: Path) -> None:
    for rows in ([EVERY[5], EVERY[6], EVERY[5]], [EVERY[0], EVERY[5], EVERY[5]]):
        with pytest.raises(
            SideTableError, match=r"column 'key': two rows have the same \(shard, key\), e.g. '000000001'"
        ):
            positions(folder, write_side(tmp_path / "a.parquet", rows))
    with pytest.raises(
        SideTableError, match=r"two rows have the same key \(there is no column 'shard'\), e.g. '0000000"
    ):
        positions(folder, write_side(tmp_path / "a.parquet", EVERY, by_key=True))
    for column in ("shard", "key"):
        table = pq.read_table(write_side(tmp_path / "a.parquet", EVERY[:2]))
        number = table.column_names.index(column)
        pq.write_table(table.set_column(number, column, pa.array(["000000.tar", None])), tmp_path / "a.parquet")
        with pytest.raises(
            SideTableError, match=f"column '{column}' lacks 1 values .null.; every row needs the {column}"
        ):
            positions(folder, tmp_path / "a.parquet")


def test_a_table_of_another_dataset_is_refused(folder: Path, tmp_path: Path) -> None:
    def write(rows: list[Any], **of: str) -> Path:
        return write_side(tmp_path / "a.parquet", rows, {**side_of(folder), **of} if of else None)

    for rows, of, message in (
        (
            FOREIGN[1:2],
            {},
            r"none of its 1 rows names a sample of dataset 'toy' \(the first is x.tar:000000000\); it is of",
        ),
        ([], {}, "none of its 0 rows names a sample of dataset 'toy'; it is of another dataset"),
        (EVERY, {"dataset": "cc", "fingerprint": OTHER}, "was made from dataset 'cc', this one is 'toy'; name a table"),
        (EVERY, {"fingerprint": OTHER}, "was made from dataset 'toy' with fingerprint '0+', .* make the table again"),
        (
            [*EVERY[:4], FOREIGN[2]],
            {"fingerprint": OTHER},
            r"no longer that one with more samples \(1 rows of the table",
        ),
    ):
        with pytest.raises(SideTableError, match=message):
            positions(folder, write(rows, **of))
    assert positions(folder, write(EVERY, dataset="renamed")) == list(range(len(EVERY)))  # the shards are those


def test_a_dataset_that_has_grown_is_told(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from shards.storage.open import open_source

    first = next(iter(Index.open(open_source(str(folder))).shards.fingerprints()))
    with caplog.at_level(logging.WARNING):
        for fingerprint in (first, OTHER):
            caplog.clear()
            file = write_side(tmp_path / "a.parquet", EVERY[:4], {"dataset": "toy", "fingerprint": fingerprint})
            assert positions(folder, file) == [0, 1, 2, 3] + [-1] * 10
            assert "has grown since it was made: 10 of 14 samples are not in it" in caplog.text
        caplog.clear()
        positions(folder, write_side(tmp_path / "a.parquet", [*EVERY[:4], FOREIGN[1]]))
        assert (
            "10 of the 14 samples of 'toy' are not in it" in caplog.text and "1 of its 5 rows are of no" in caplog.text
        )
        caplog.clear()
        positions(folder, write_side(tmp_path / "a.parquet", EVERY, side_of(folder)))
        assert not caplog.text
