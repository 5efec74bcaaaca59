"""Splits are named with their fractions, and what cannot be is refused with an example."""

from __future__ import annotations

import pytest

from shards.base.errors import UsageError
from tools.reshard.splits import read_splits


def test_splits_follow_each_other_up_to_one() -> None:
    assert read_splits(None) == {}
    assert read_splits("train=0.98, val=0.02") == {"train": (0.0, 0.98), "val": (0.98, 1.0)}
    assert read_splits("a=0.1,b=0.2,c=0.7")["c"].high == 1.0, "whatever floats make of the sum"
    assert read_splits("a=0.5")["a"] == (0.0, 0.5)


@pytest.mark.parametrize("text", ["", "train", "train=", "=0.5", "a=0", "a=-1", "a=1.5", "a=nan", "../a=0.5", "a=0.5,"])
def test_what_is_no_split_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no split; say NAME=FRACTION, as in train=0\.98,val=0\.02"):
        read_splits(text)


@pytest.mark.parametrize(("text", "why"), [("a=0.5,a=0.5", "names a twice"), ("a=0.9,b=0.2", "sum to more than 1")])
def test_splits_that_do_not_go_together_are_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_splits(text)
