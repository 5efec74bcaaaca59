"""Garbage is looked for again when modules are loaded, whatever happened meanwhile."""

from __future__ import annotations

import gc

import pytest

from mcg.loading import loading


def test_nothing_is_collected_inside_and_again_after_an_error() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
        with loading():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
