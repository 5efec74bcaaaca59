"""Whatever an index claims, a sample is copied as it stands in its tar, or quarantined with the reason."""

from __future__ import annotations

import re

import pytest

from shards.dataset.index.rows import MemberRow
from tests.tools.reshard.copies import write_ours
from tools.reshard.copied import Copied, copied
from tools.reshard.order import Place, places
from tools.reshard.source import Source, open_sources
from tools.rows import BadRow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    return open_sources([str(write_ours(tmp_path_factory.mktemp("copied") / "ours"))])


def with_member(place: Place, **claims: int) -> Place:
    members = (place.row.members[0]._replace(**claims), *place.row.members[1:])
    return place._replace(row=place.row._replace(members=members))


def test_names_and_bytes_are_those_of_the_tar(source: list[Source]) -> None:
    made = copied(source, next(places(source)))
    assert isinstance(made, Copied)
    assert [(member.name, member.ext) for member in made.members] == [("k00.json", "json"), ("k00.mp4", "mp4")]
    assert [len(member.data) for member in made.members] == [member.size for member in made.place.row.members]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"checksum": 1}, r"\.json is damaged: checksum"),
        ({"offset": 0}, r"\.json is damaged: checksum"),
        ({"offset": 513, "checksum": None}, r"no header of \.json stands where the index says"),
        ({"offset": 10**9}, r"the shard ends before"),
        ({"size": 10**8}, r"the shard ends before \.json, it was cut off"),
        ({"size": 0, "checksum": None}, r"no header of \.json stands where the index says"),
    ],
)
def test_claims_that_do_not_hold_are_quarantined(source: list[Source], claims: dict[str, int], why: str) -> None:
    bad = copied(source, with_member(next(places(source)), **claims))
    assert isinstance(bad, BadRow) and bad.kind == "damaged sample" and bad.record_id == "000000.tar:k00"
    assert re.search(why, bad.reason), bad.reason


def test_a_prefix_that_makes_a_key_too_long_and_a_sample_without_members_are_quarantined(source: list[Source]) -> None:
    place = next(places(source))
    bad = copied(source, place._replace(prefix="x" * 1020))
    assert isinstance(bad, BadRow) and "more than 1024 bytes with the prefix" in bad.reason
    bad = copied(source, place._replace(row=place.row._replace(members=())))
    assert isinstance(bad, BadRow) and "has no members" in bad.reason
    other = MemberRow("png", *place.row.members[1][1:])  # another extension than the header has
    bad = copied(source, place._replace(row=place.row._replace(members=(other,))))
    assert isinstance(bad, BadRow) and "no header of .png stands" in bad.reason
