"""Real runs of train.py and mcg.evaluate in processes of their own, on a tiny dataset of moving shapes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forked import call_forked

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (sys.executable,)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
STEPS = 16
TIMEOUT_SECONDS = 300

_MODEL = """
model:
  vision: {image_size: 32, num_frames: 2, width: 32, depth: 1, num_heads: 2, drop_path: 0.0, temporal_identity: false}
  text: {width: 32, num_layers: 1, num_heads: 2, num_decoder_layers: 1, max_positions: 32, dropout: 0.0}
  contrastive_width: 16
  matching_head: true
optim: {lr: 1.0e-3}
engine: {threads: 1}
log: {every_steps: 1}
vars: {data: nowhere}
"""
PRETRAIN = f"""
run_dir: nowhere
task: {{name: pretrain, clip: {{num_frames: 2, size: 32, sampling: random, flip: 0.5}}}}
objectives: {{contrastive: {{}}, token_contrast: {{}}, masked_lm: {{}}, matching: {{}}, generation: {{}}}}
data:
  train: {{batch_size: 8, pad_to_multiple: 32, streams: 2, blend: [{{name: shapes, path: "${{vars.data}}/captions"}}]}}
  val: {{batch_size: 8, blend: [{{name: shapes-val, path: "${{vars.data}}/captions"}}]}}
  test: {{batch_size: 8, blend: [{{name: shapes-test, path: "${{vars.data}}/captions"}}]}}
schedule: {{length: {{steps: {STEPS}}}, warmup: {{steps: 2}}}}
{_MODEL}"""
QUESTIONS = f"""
run_dir: nowhere
task: {{name: open_qa, clip: {{num_frames: 2, size: 32}}, max_answer_tokens: 6}}
objectives: {{generation: {{}}}}
data:
  train: {{batch_size: 8, blend: [{{name: shapes, path: "${{vars.data}}/questions"}}]}}
  test: {{batch_size: 7, blend: [{{name: shapes-test, path: "${{vars.data}}/questions"}}]}}
schedule: {{length: {{steps: 4}}, warmup: {{steps: 2}}}}
{_MODEL}"""


@dataclass(frozen=True)
class Runs:
    """Starts programs; `data` holds captions/ and questions/, `configs` pretrain.yaml and questions.yaml."""

    data: Path
    configs: Path

    def command(self, run_dir: Path, *overrides: str, config: str = "pretrain") -> list[str]:
        file = str(self.configs / f"{config}.yaml")
        return ["--config", file, f"vars.data={self.data}", f"run_dir={run_dir}", *overrides]

    def train(
        self,
        run_dir: Path,
        *overrides: str,
        config: str = "pretrain",
        launcher: Sequence[str] = PYTHON,
        ranks: int = 1,
    ) -> subprocess.CompletedProcess[str]:
        """Ranks are started as torchrun would, or by a launcher."""
        return call([*launcher, "train.py", *self.command(run_dir, *overrides, config=config)], ranks=ranks)

    def start(self, run_dir: Path, *overrides: str, launcher: Sequence[str] = PYTHON) -> subprocess.Popen[str]:
        """A run whose standard error is read by the caller."""
        arguments = [*launcher, "train.py", *self.command(run_dir, *overrides)]
        return subprocess.Popen(arguments, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)

    def evaluate(
        self, run_dir: Path, out: Path, *overrides: str, config: str = "pretrain", ranks: int = 1
    ) -> subprocess.CompletedProcess[str]:
        options = ["--checkpoint", str(run_dir), "--out", str(out), "--again"]
        words = ["-m", "mcg.evaluate", *options, *self.command(run_dir, *overrides, config=config)]
        return call([*PYTHON, *words], ranks=ranks)


def environment() -> dict[str, str]:
    """This process's, with one thread and without what a launcher or a test left in it."""
    left = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "CROSS_RANK", "CROSS_SIZE", "LOCAL_SIZE")
    own = {name: value for name, value in os.environ.items() if name not in left}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
    return {**own, "OMP_NUM_THREADS": "1", "COLUMNS": "300", "PATH": path}


def call(
    arguments: Sequence[str], timeout: int = TIMEOUT_SECONDS, home: Path | None = None, ranks: int = 1
) -> subprocess.CompletedProcess[str]:
    """home: the working folder and the user's home; None leaves that as it is, and works in the repository.

    A program of ours that needs no launcher starts from a process that has loaded torch already.
    """
    if home is None and arguments[0] == sys.executable and (arguments[1] == "train.py" or _is_ours(arguments[1:3])):
        return call_forked(arguments[1:], environment(), ROOT, timeout, ranks)
    assert ranks == 1
    own = {} if home is None else {"PYTHONPATH": str(ROOT), "HOME": str(home)}
    return subprocess.run(
        list(arguments),
        cwd=home or ROOT,
        env=environment() | own,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _is_ours(words: Sequence[str]) -> bool:
    return words[0] == "-m" and words[1].startswith("mcg.")


def deepspeed_launcher() -> tuple[str, ...]:
    """Two processes on a port of this test process's own, below those that the kernel hands out."""
    script = str(Path(sys.executable).parent / "deepspeed")
    return (sys.executable, script, "--num_accelerators", "2", "--master_port", str(10_000 + os.getpid() % 20_000))


def slurm(task: int, tasks: int) -> dict[str, str]:
    """What srun sets in a task of a step on this machine; the job's number makes the port this test process's own."""
    return {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_ID": "0",
        "SLURM_PROCID": str(task),
        "SLURM_LOCALID": str(task),
        "SLURM_NTASKS": str(tasks),
        "SLURM_STEP_NUM_TASKS": str(tasks),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_STEP_NODELIST": "localhost",
    }


def lines(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]


def curve(run_dir: Path) -> list[Mapping[str, float]]:
    """The losses of every step, with norm and learning rate."""
    steps = [line for line in lines(run_dir) if "losses" in line]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    return [line["losses"] for line in steps]
