"""Saves on a real file system of 4 MiB that fills up: python -m tests.mcg.engine.full_disk FOLDER, as root of a
namespace of its own. Prints a line of JSON per moment: what was said, and what lies in the folder afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

from mcg.engine.checkpoint import CheckpointError, find_checkpoint
from mcg.engine.saving import save_checkpoint
from mcg.engine.store.contents import Content, Contents
from mcg.engine.store.resume import resume_point

_ROOM = 4 << 20


class _Weights:
    """What is saved of an engine, 400 kB of weights and as much of state, without the time to start one."""

    step = 0

    def model_state(self) -> dict[str, Tensor]:
        return {"w": torch.full((100_000,), float(self.step))}

    def state(self) -> Contents:
        return {"state/a.safetensors": Content(self.model_state())}


def _fill(file: Path, left: int) -> None:
    """Leave `left` bytes free."""
    free = int(subprocess.check_output(["stat", "-f", "-c", "%a", str(file.parent)])) * 4096
    file.write_bytes(bytes(max(0, free - left)))


def main(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", str(folder)], check=True)
    run, ballast, engine = folder / "run", folder / "ballast", _Weights()
    engine.step = 1
    save_checkpoint(run, engine, {}, {}, 2)
    # nothing can be written; half of the weights; the weights and half of the state; all but the description
    for number, left in enumerate((0, 200_000, 600_000, 802_816)):
        _fill(ballast, left)
        engine.step = 2 + number
        try:
            save_checkpoint(run, engine, {}, {}, 2)
            said = ""
        except CheckpointError as error:
            said = str(error)
        found = resume_point(run)
        assert found is not None
        left_over = sorted(path.name for path in (run / "checkpoints").iterdir())
        ballast.unlink()
        print(json.dumps({"said": said, "resumes": found.step, "left": left_over}), flush=True)
    engine.step = 9
    save_checkpoint(run, engine, {}, {}, 2)
    print(json.dumps({"said": "", "resumes": find_checkpoint(run).step, "left": []}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
