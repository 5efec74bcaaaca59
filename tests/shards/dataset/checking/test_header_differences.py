"""Entries of a tar and members of an index: what counts as a difference."""

import pytest

from shards.dataset.checking.header_differences import QuarantineLines, differences
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.entries import Member, Stray

RULES = MemberRules()


def test_a_missing_member_and_one_of_another_size_are_named() -> None:
    expected = [Member("a.jpg", 512, 3), Member("a.txt", 1536, 4), Member("b.jpg", 2560, 5)]
    found = differences(expected, [Member("./a.JPG", 512, 3), Member("a.txt", 1536, 9)], RULES)
    assert [(one.number, one.found) for one in found] == [(1, "'a.txt' of 9 bytes at byte 1536"), (2, "no member")]


def test_a_stray_is_a_difference_with_its_reason() -> None:
    (one,) = differences([], [Stray("", 512, 1024, "bytes that are no tar")], RULES)
    assert (one.number, one.expected, one.found) == (None, "nothing", "bytes that are no tar")


def test_lines_of_a_quarantine_cover_names_keys_and_bytes_without_a_name() -> None:
    lines = [
        {"key": None, "member": None},
        {"key": "a", "member": "a.jpg"},
        {"key": None, "member": "x", "members": ["y"]},
    ]
    covered = QuarantineLines(lines, RULES)
    for name in ("", "a.txt", "x", "y"):
        assert covered.covers(Member(name, 512, 3))
    assert not covered.covers(Member("b.txt", 512, 3))
    assert QuarantineLines(None, RULES).covers(Member("b.txt", 512, 3))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", True),
        ("a/b.tar.gz", True),
        ("a.b/c.jpg", True),
        ("README", False),
        (".hidden", False),
        ("a/.x.jpg", False),
        ("__a__.json", False),
        ("a.", False),
    ],
)
def test_names_that_webdataset_skips_are_no_members(name: str, expected: bool) -> None:
    found = list(differences([], [Member(name, 512, 3)], RULES))
    assert [difference.found for difference in found] == [f"{name!r} of 3 bytes at byte 512"] * expected
