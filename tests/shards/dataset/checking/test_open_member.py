"""A member that comes in pieces has the checksum of the whole."""

import pytest

from shards.dataset.checking.open_member import OpenMember
from shards.dataset.index.rows import member_checksum


@pytest.mark.parametrize("pieces", [[], [b""], [b"abc"], [b"a", b"bc"], [b"a", b"b", b"c"]])
@pytest.mark.parametrize("keep", [True, False])
def test_pieces_make_one_member(pieces: list[bytes], keep: bool) -> None:
    member, whole = OpenMember(keep), b"".join(pieces)
    for piece in pieces:
        member.add(memoryview(piece))
    assert (member.size, member.checksum) == (len(whole), member_checksum(whole))
    assert member.data == (whole if keep else None)
