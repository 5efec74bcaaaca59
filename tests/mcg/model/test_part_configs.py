"""Configs of parts: settings that contradict each other are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.mcg.small_model import text_config


def test_a_split_that_leaves_no_text_layer_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"num_fusion_layers 2 leaves none of num_layers 2 for text"):
        text_config(num_fusion_layers=2)
