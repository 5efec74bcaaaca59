"""Runs configs one after the other in this process, as train.py does: python -m tests.two_steps RUNS.json

RUNS.json: {name: [config file, overrides]}. Prints a line of JSON per run: {"name", "error"}, error "" if all is well.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import train
from mcg.config import load_config
from mcg.engine.deepspeed import stop_distributed


def main(runs: dict[str, tuple[str, list[str]]]) -> None:
    for name, (file, overrides) in runs.items():
        try:
            code = train.run(load_config(file, overrides))
            error = "" if code == 0 else f"exit code {code}"
        except Exception:
            error = traceback.format_exc()
        print(json.dumps({"name": name, "error": error}), flush=True)
    stop_distributed()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
