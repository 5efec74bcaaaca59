"""A file appears whole or not at all, and one process writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shards.base.errors import ConversionError
from tests.tools.ffcv.conftest import ROOT
from tests.tools.watching import watch
from tools.ffcv.export import export

pytestmark = pytest.mark.usefixtures("ffcv")


@pytest.mark.long  # another process imports ffcv
def test_an_export_that_was_killed_leaves_no_file_and_can_be_started_again(shards: Path, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom tests.tools.watching import watch\nfrom tools.ffcv.export import export\n"
        "def wait(*_):\n    print('one', flush=True); sys.stdin.read()\n"
        f"export({str(shards)!r}, {str(tmp_path / 'x.beton')!r}, num_frames=6, short_side=96, progress=watch(wait))\n"
    )
    words = [sys.executable, "-c", script]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "one\n"
        with pytest.raises(ConversionError, match=r"x\.beton: another process is writing it"):
            export(str(shards), str(tmp_path / "x.beton"), num_frames=6, short_side=96)
        process.kill()
    assert not (tmp_path / "x.beton").exists()
    export(str(shards), str(tmp_path / "x.beton"), num_frames=6, short_side=96)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.beton", "x.beton.quarantine.jsonl"]


def test_an_error_leaves_nothing(shards: Path, tmp_path: Path) -> None:
    def fail(*_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        export(str(shards), str(tmp_path / "x.beton"), num_frames=6, short_side=96, progress=watch(fail))
    assert not list(tmp_path.iterdir())
