"""A group gives a row or a reason."""

from __future__ import annotations

from pathlib import Path

from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.looks import Looks
from tests.shards.dataset.tars.sampled import JSON, look, reasons
from tests.shards.foreign_tars import write_tar


def test_what_cannot_be_used_is_quarantined_with_the_reason(tmp_path: Path) -> None:
    files = [
        ("README", b"x"),
        ("good.jpg", b"x"),
        ("good.json", JSON),
        ("dir/.hidden.jpg", b"x"),
        ("__meta__.json", b"x"),
        ("twice.jpg", b"x"),
        ("twice.jpg", b"x"),
        ("twice.json", JSON),
        ("good.jpg", b"x"),
        ("good.json", JSON),
        ("bare.jpg", b"x"),
        ("text.json", JSON),
        ("empty.jpg", b""),
        ("empty.json", JSON),
        ("bad.jpg", b"x"),
        ("bad.json", b"{"),
        ("none.jpg", b"x"),
        ("none.json", b'{"records": []}'),
        ("k" * 1100 + ".jpg", b"x"),
        ("caf\udce9.jpg", b"x"),
        *((f"many.{i}", b"x") for i in range(257)),
        ("last.jpg", b"x"),
        ("last.txt", b"text"),
    ]
    found = look(write_tar(tmp_path / "a.tar", files))
    assert [row.key for row in found.rows] == ["good", "last"]
    expected = {
        "README": "no key",
        "dir/.hidden.jpg": "no key",
        "__meta__.json": "no key",
        "twice.jpg": "has .jpg twice",
        "good.jpg": "a second time in this tar",
        "bare.jpg": "needs a medium and a json or txt, has jpg",
        "text.json": "needs a medium and a json or txt, has json",
        "empty.jpg": ".jpg has 0 bytes",
        "bad.jpg": "json cannot be read",
        "none.jpg": "empty list of records",
        "k" * 1100 + ".jpg": "the limit is 1024",
        "caf\udce9.jpg": "not UTF-8",
        "many.0": "has 257 members",
    }
    found_reasons = reasons(found)
    assert found_reasons.keys() == expected.keys()
    for name, part in expected.items():
        assert part in found_reasons[name]


def test_a_group_that_gives_no_row_says_why(tmp_path: Path) -> None:
    files = [("j.jpg", b"x"), ("j.txt", b"a"), ("k.jpg", b"x"), ("k.jpg", b"x"), ("k.txt", b"a")]
    found = look(write_tar(tmp_path / "a.tar", files))
    assert [row.key for row in found.rows] == ["j"]
    assert reasons(found) == {"k.jpg": "has .jpg twice; rename one of them"}


def test_a_text_in_another_member_is_pointed_at(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("a.jpg", b"x"), ("a.json", b'{"n": 1}'), ("a.caption.txt", b"text")])
    assert "; or read another member: --text-members caption.txt" in reasons(look(path))["a.jpg"]
    assert not reasons(look(path, Looks(rules=MemberRules(text_members="json,caption.txt"))))
