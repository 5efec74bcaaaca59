"""Bytes of members are filled up to whole blocks."""

import pytest

from shards.dataset.tars.entries import padded


@pytest.mark.parametrize(("size", "bytes_in_tar"), [(0, 0), (1, 512), (512, 512), (513, 1024)])
def test_a_member_occupies_whole_blocks(size: int, bytes_in_tar: int) -> None:
    assert padded(size) == bytes_in_tar
