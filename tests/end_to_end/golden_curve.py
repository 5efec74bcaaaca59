"""The first 50 steps of the demo's pre-training, kept by the kind of CPU that made them.

    python -m tests.end_to_end.golden_curve     makes the curve of this machine's kind and keeps it in golden_curve.json

To be run when a change is meant to change the curve; its commit says why. Curves of other kinds that no longer agree
are dropped. A kind is what decides of the last bits: the versions of torch and of the two packages that decode and
scale, the vendor of the CPU, its vector instructions.
"""

from __future__ import annotations

import json
import math
import platform
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tests.end_to_end.small_runs import ROOT, call, curve

FILE = Path(__file__).with_suffix(".json")
STEPS = 50
CLIP_SHARE = "0.02"
ELSEWHERE = 1e-4
"""Largest relative difference on a CPU of another kind; it is 3.4e-6 between the vector instructions of one."""
_OPTIONS = ("data.val=null", "engine.threads=1", f"schedule.length.steps={STEPS}", f"log.every_steps={STEPS}")


def kind() -> str:
    """The kind of this machine."""
    packages = " ".join(f"{name} {version(name)}" for name in ("torch", "av", "pillow"))
    found = re.search(r"^vendor_id\s*: (\S+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    vendor = found[1] if found else platform.machine()
    return f"{packages} {vendor} {torch.backends.cpu.get_cpu_capability()}"


def make_curve(folder: Path) -> list[Mapping[str, float]]:
    """Build the demo's data, a fiftieth of the clips, and train. Losses, gradient norm and rate of each step."""
    data = ["-m", "mcg.demo", "--only", "data", "--clip-share", CLIP_SHARE, "--run-dir", str(folder)]
    train = ["train.py", "--config", "configs/demo/pt.yaml", f"vars.data={folder / 'data'}", f"run_dir={folder / 'pt'}"]
    for words in (data, [*train, *_OPTIONS]):
        done = call([sys.executable, *words])
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
    return curve(folder / "pt")


def kept() -> dict[str, Any]:
    """The curves by kind, the oldest first."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.is_file() else {}
    return found


def agree(found: Sequence[Mapping[str, float]], expected: Sequence[Mapping[str, float]]) -> bool:
    """True if two curves are the same within ELSEWHERE."""
    pairs = zip(found, expected, strict=True)
    return all(math.isclose(step[name], other[name], rel_tol=ELSEWHERE) for step, other in pairs for name in other)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = make_curve(Path(folder))
    steps = ",\n".join(json.dumps(step) for step in found)
    others = {name: steps for name, steps in kept().items() if name != kind() and agree(found, steps)}
    made = [f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, steps)) + "\n]" for name, steps in others.items()]
    made.append(f"{json.dumps(kind())}: [\n{steps}\n]")
    FILE.write_text("{" + ",\n".join(made) + "}\n")
    print(f"{FILE.relative_to(ROOT)}: {kind()}")


if __name__ == "__main__":
    main()
