"""`python -m tools merge`: parts by `build --shard I/N` become one dataset; what is missing is told."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools.commands.command_line import invoke


def test_parts_are_built_and_merged(clips: list[str], tmp_path: Path) -> None:
    shared = [*clips, "--limit", "5", "--samples-per-shard", "2", "--out", str(tmp_path / "out")]
    assert invoke("build", *shared, "--shard", "2/2").exit_code == 0
    missing = invoke("merge", tmp_path / "out")
    assert missing.exit_code == 2 and "1 of 2 parts is missing (1/2)" in missing.stderr.splitlines()[-1]
    assert invoke("build", *shared, "--shard", "1/2").exit_code == 0
    done = invoke("merge", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["num_rows"], report["num_samples"], report["num_shards"]) == (5, 5, 3)
    assert "nothing to do" in invoke("merge", tmp_path / "out").stdout
    refused = invoke("build", *shared, "--shard", "1/2")
    assert refused.exit_code == 1 and "its parts are not built again" in refused.stderr
    assert invoke("build", *shared, "--shard", "3/2").exit_code == 2
