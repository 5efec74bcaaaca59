"""Many reasons are few kinds of reasons."""

from __future__ import annotations

from shards.dataset.tars.reasons import Reasons, with_remedy


def test_reasons_that_differ_in_numbers_and_names_are_counted_together() -> None:
    reasons = Reasons()
    for number in range(5):
        reasons.add("0.tar", {"member": f"{number}.jpg", "reason": f"has {number} bytes of 'a{number}'"})
    reasons.add("1.tar", {"member": "x.jpg", "reason": "is empty"})
    assert reasons.top() == [
        {"count": 5, "reason": "has 0 bytes of 'a0'", "shard": "0.tar", "member": "0.jpg"},
        {"count": 1, "reason": "is empty", "shard": "1.tar", "member": "x.jpg"},
    ]


def test_any_number_of_kinds_takes_bounded_memory() -> None:
    reasons = Reasons()
    for number in range(5000):
        reasons.add("0.tar", {"member": "x", "reason": "a" * (number % 290) + "b" * (number // 290)})
    kinds = reasons.top(5000)
    assert len(kinds) == 1001 and sum(kind["count"] for kind in kinds) == 5000


def test_a_reason_says_what_to_do() -> None:
    assert with_remedy("is empty") == "is empty; correct it or fetch it again, or accept the loss"
    assert with_remedy("is empty; fill it") == "is empty; fill it"
