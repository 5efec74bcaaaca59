"""The clips of samples/, as the tests of the verbs have them."""

from __future__ import annotations

from tests.tools.commands.conftest import built, clips

__all__ = ["built", "clips"]
