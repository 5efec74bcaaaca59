"""A member knows its bytes by their checksum."""

from __future__ import annotations

from shards.dataset.index.rows import MemberRow, member_checksum


def test_damage_names_both_checksums() -> None:
    member = MemberRow("mp4", 512, 5, member_checksum(b"video"))
    assert member_checksum(b"") == 0x38D394C2  # low 32 bits of XXH3_64
    assert member.damage(b"video") is None and member.damage(memoryview(b"video")) is None
    assert member.damage(b"vidoe") == (
        f".mp4 is damaged: checksum {member_checksum(b'vidoe'):08x}, the index expects {member_checksum(b'video'):08x}"
    )
    assert member._replace(checksum=None).damage(b"anything") is None
