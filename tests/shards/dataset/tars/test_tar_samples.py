"""Every group of a tar becomes a row or a line of the quarantine, grouped as WebDataset groups."""

from __future__ import annotations

import tarfile
from pathlib import Path

import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.dataset.members.rules import MemberRules
from tests.shards.dataset.tars.sampled import JSON, look
from tests.shards.foreign_tars import picture, write_tar


def test_a_row_has_members_checksums_and_records(tmp_path: Path) -> None:
    files = [("d/a.cls", b"7"), ("d/a.JPG", picture(0)), ("d/a.seg.png", b"png"), ("d/a.txt", b"text")]
    path = write_tar(tmp_path / "a.tar", files)
    found = look(path)
    raw = path.read_bytes()
    [row] = found.rows
    assert (row.key, row.num_records, row.facts.kind, row.facts.num_frames) == ("d/a", 1, "image", 0)
    assert [member.ext for member in row.members] == ["cls", "jpg", "seg.png", "txt"]
    for member, (_, data) in zip(row.members, files, strict=True):
        assert raw[member.offset : member.offset + member.size] == data
        assert member.checksum == xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF
    assert found.checksum == xxhash.xxh3_128_hexdigest(raw) and not found.quarantined


names = (
    st.tuples(st.sampled_from(["", "./", "d/"]), st.text("ab._", max_size=6))
    .map("".join)
    .filter(lambda name: not name.endswith("/") and name not in (".", "./.", "..", "./..", "d/.", "d/.."))
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(names.filter(bool), st.sampled_from([b"", b"x", JSON])), max_size=12))
def test_every_member_is_accounted_for_once(tmp_path: Path, files: list[tuple[str, bytes]]) -> None:
    path = write_tar(tmp_path / "a.tar", files, tarfile.USTAR_FORMAT)
    found = look(path)
    groups: list[str | None] = []
    for name, _ in files:
        parts = MemberRules().split(name)
        if parts is None:
            groups.append(None)
        elif parts[0] != next((key for key in reversed(groups) if key is not None), None):
            groups.append(parts[0])
    assert found.num_groups == len(groups)
    assert sorted(row.key for row in found.rows) == sorted({row.key for row in found.rows})
