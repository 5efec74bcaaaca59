"""A stand-in takes no state and gives no data unless its kind does."""

from __future__ import annotations

import pytest

from tools.pickles.stand_in import Named, StandIn, UnreadablePickle


def test_what_a_kind_does_not_have_is_refused() -> None:
    with pytest.raises(UnreadablePickle, match="gives a state to standin, which has none"):
        StandIn().set_state({"__class__": "x"})
    with pytest.raises(UnreadablePickle, match="holds a standin where data are expected"):
        StandIn().plain()
    assert StandIn().weight == 0 and Named("numpy.ndarray").make is None
