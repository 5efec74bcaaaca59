"""Parameters that several datasets have say what they are for."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tools import arguments


@pytest.mark.parametrize("name", ["AnnotationsFile", "MediaPath", "IdMap", "Split"])
def test_every_shared_parameter_has_its_help(name: str) -> None:
    option: Any = get_args(getattr(arguments, name))[1]
    assert option.help.endswith(".")
