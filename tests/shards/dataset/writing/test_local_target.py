"""A local folder has one writer at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import WriteError
from shards.dataset.writing.open_target import open_target


def test_a_local_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    first = open_target(str(tmp_path))
    with pytest.raises(WriteError, match="another process is writing this dataset; wait for it"):
        open_target(str(tmp_path))
    first.release()
    open_target(str(tmp_path)).release()
