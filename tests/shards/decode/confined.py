"""Decode what may be hostile in a child process that is killed when it takes too long and cannot take all the memory.

`python confined.py FILE...` decodes each file, `python confined.py --fuzz FIRST STOP` mutated samples; one line of JSON
for each, with the largest resident size so far. The limits: SECONDS for each of them (then SIGALRM ends the process,
also in the middle of C code), and MEMORY bytes of addresses more than the process has when everything is imported.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS = 60
MEMORY = 4 << 30
ROOT = Path(__file__).resolve().parents[3]


def outcomes(*arguments: str, limit_s: float = 250) -> list[dict[str, Any]]:
    """What a child says. Raises AssertionError with its last words when it crashes, hangs or is killed."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, timeout=limit_s, cwd=ROOT, env=env
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, (done.returncode, said[-1:], done.stderr[-2000:])
    return said


def _confine() -> None:
    limit = int(1e6 * _status("VmSize")) + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _status(name: str) -> float:
    """Megabytes of this process, by the name in /proc."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1e3


def _tell(found: dict[str, Any]) -> None:
    print(json.dumps(found | {"peak_mb": _status("VmHWM")}), flush=True)


def _decode(data: bytes, name: str) -> dict[str, Any]:
    """Facts, and the mean of four frames; or the reason."""
    import numpy as np

    from shards.base.errors import MediaError
    from shards.decode.cpu import decode
    from shards.media.clip import plan_clip
    from shards.media.clip_config import ClipConfig
    from shards.media.probe import probe

    found: dict[str, Any] = {"name": name}
    try:
        facts = probe(data, name)
        found |= {"kind": facts.kind, "size": [facts.width, facts.height], "frames": facts.num_frames}
        plan = plan_clip(facts, ClipConfig(num_frames=4, size=64, fit="center_crop"), np.random.default_rng(0))
        clip = decode(data, facts.kind, plan)
        assert clip.shape == (4, 64, 64, 3)
        found["mean"] = float(clip.mean())
    except MediaError as error:
        found["reason"] = str(error)
    return found


def _mutations(first: int, stop: int) -> Iterator[dict[str, Any]]:
    import numpy as np

    from shards.base.errors import MediaError
    from shards.decode.cpu import decode
    from shards.media.clip_plan import ClipPlan
    from shards.media.partial import PartialMedium
    from shards.media.probe import probe
    from shards.media.videos.seekable import usable
    from tests.shards.decode.mutants import mutate, originals

    samples = originals()
    for number in range(first, stop):
        rng = np.random.default_rng([number, 5])
        sample = samples[number % len(samples)]
        data = mutate(sample.data, rng)
        frames = tuple(np.sort(rng.integers(0, sample.num_frames, 2)).tolist())
        plan = ClipPlan(frames, (32, 32), (0, 0, 32, 32))
        found: dict[str, Any] = {"number": number, "name": sample.name}
        signal.alarm(SECONDS)
        media: Any = data
        for way in ("linear", "seek"):
            if way == "seek":
                if not usable(sample.table, len(data)):
                    continue
                assert sample.table is not None
                media = PartialMedium.of_bytes(data, sample.table)
            try:
                found[way] = int(decode(media, sample.kind, plan).shape == (2, 32, 32, 3))
            except MediaError as error:
                found[way] = str(error)
        try:
            probe(data, sample.name)
        except MediaError as error:
            found["probe"] = str(error)
        yield found


def main(arguments: list[str]) -> None:
    import av
    import numpy as np
    from PIL import Image

    from shards.decode import cpu

    assert av and np and Image and cpu
    if arguments[0] == "--fuzz":
        from tests.shards.decode.mutants import originals

        originals()
        _confine()
        _tell({"name": "nothing"})
        for found in _mutations(int(arguments[1]), int(arguments[2])):
            _tell(found)
        return
    _confine()
    _tell({"name": "nothing"})
    for path in map(Path, arguments):
        signal.alarm(SECONDS)
        _tell(_decode(path.read_bytes(), path.name))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        raise
