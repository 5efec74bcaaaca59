"""Whether torchcodec can be used here; where it cannot, the tests that need it are skipped, but not in continuous
integration."""

from __future__ import annotations

import os

import pytest

from shards.base.errors import NoDecoder
from shards.decode.backends import open_backend


def require_torchcodec() -> None:
    """Skip the module that calls this at its top where torchcodec or its libraries are missing."""
    try:
        open_backend("torchcodec")
    except NoDecoder as error:
        if os.environ.get("MCG_REQUIRE_TORCHCODEC"):
            raise
        pytest.skip(str(error), allow_module_level=True)
