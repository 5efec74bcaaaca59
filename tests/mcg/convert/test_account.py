"""The account of a conversion: counts by status, and what stood beside the weights."""

from __future__ import annotations

from mcg.convert.account import summary
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.convert.small_conversions import converted


def test_what_stood_beside_the_weights_is_listed_as_dropped() -> None:
    conversion = converted(draw(layouts.alpro_retrieval(SMALL)), "alpro")
    noted = conversion.noting({"epoch": "an int"})
    assert noted.counts() == {**conversion.counts(), "dropped": conversion.counts()["dropped"] + 1}
    told = summary(noted)
    assert told["counts"] == noted.counts() and len(told["keys"]) == len(noted.entries)
    assert told["keys"][-1] == {
        "key": "epoch",
        "status": "dropped",
        "shape": [],
        "ours": [],
        "note": "no weight: an int",
    }
