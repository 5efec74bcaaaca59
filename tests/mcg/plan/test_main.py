"""The command plans a run as the docs write it, and says in one line what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from tests.end_to_end.in_turn import call_all
from tests.end_to_end.small_runs import call
from tests.mcg.plan.small_plan import NOWHERE
from tests.small_configs import shrink

COMMAND = ["python", "-m", "mcg.plan", "--config", "configs/pt.yaml"]
SMALL = shrink("configs/pt.yaml", NOWHERE, NOWHERE)


def test_a_plan_is_told_in_lines_or_as_json(tmp_path: Path) -> None:
    given = ["--gpus", "2", "--gpu", "H100", *SMALL, f"vars.data={tmp_path}"]
    shown, as_json = call_all([[*COMMAND[1:], *given], [*COMMAND[1:], "--json", *given]])
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("2 x H100, micro-batch 2\n") and "fits into 80" in shown.stdout
    found = json.loads(as_json.stdout)
    assert found["ranks"] == 2 and found["fits"] is True


def test_a_mistake_is_one_line() -> None:
    done = call([*COMMAND, "--gpus", "2", "--gpu", "h2000", *SMALL])
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: --gpu h2000: is not known; take one of B200")
