"""`texts` names a file, or a file and a column."""

from __future__ import annotations

import pytest

from shards.select.side_settings import split_texts


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("side/recaptions.parquet", ("side/recaptions.parquet", None)),
        ("side/recaptions.parquet:caption", ("side/recaptions.parquet", "caption")),
        ("s3://bucket/a.parquet", ("s3://bucket/a.parquet", None)),
        ("https://host:8080/a.parquet", ("https://host:8080/a.parquet", None)),
        ("s3://bucket/a.parquet:long caption", ("s3://bucket/a.parquet", "long caption")),
        ("odd:name.parquet", ("odd:name.parquet", None)),
        ("a.parquet:", ("a.parquet:", None)),
    ],
)
def test_a_column_follows_the_last_colon(texts: str, expected: tuple[str, str | None]) -> None:
    assert split_texts(texts) == expected
