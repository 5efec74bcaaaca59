"""Options that commands share."""

from __future__ import annotations

import os

from shards.cli.options import flag, num_cores


def test_the_number_of_cores_is_what_this_process_may_use() -> None:
    assert 1 <= num_cores() <= (os.cpu_count() or 1)


def test_an_option_is_spelled_with_dashes() -> None:
    assert flag("num_clips") == "--num-clips"
