"""How many CPU seconds does a command take to answer --help, or a mistake in a config?

    python benchmarks/command_start.py

Each case is a command in a fresh process, started from the repository root; `cpu_s` is its user and system time.
tests/mcg/test_light_commands.py holds that none of them loads torch.
"""

from __future__ import annotations

import subprocess
import sys
import time

from harness import children_cpu_s, compare, run_case

CASES = {
    "train.py --help": ["train.py", "--help"],
    **{
        f"{module} --help": ["-m", module, "--help"]
        for module in ("shards", "tools", "mcg.convert", "mcg.evaluate", "mcg.answer", "mcg.demo")
    },
    "train.py, a mistake in the config": ["train.py", "--config", "configs/demo/pt.yaml", "optim.lrr=1"],
    "train.py, no data": ["train.py", "--config", "configs/demo/pt.yaml", "vars.data=nowhere"],
}


def command(*words: str) -> dict[str, float]:
    started, before = time.perf_counter(), children_cpu_s()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return {"cpu_s": children_cpu_s() - before, "wall_s": time.perf_counter() - started}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"command": command}, sys.argv[2:])
    else:
        compare("command start", __file__, {label: ["command", *words] for label, words in CASES.items()})
