"""Decoders are found by name, and an unknown name lists the known ones."""

from __future__ import annotations

import pytest

from shards.decode import DECODERS, open_decoder


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_every_name_opens_a_function(name: str) -> None:
    assert callable(open_decoder(name))


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown decoder 'gpu'; known: auto, cpu"):
        open_decoder("gpu")
