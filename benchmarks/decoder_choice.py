"""Which library decodes on the CPU: PyAV or torchcodec? Right frames and odd files; bench_decode.py has the speed.

    python benchmarks/peer_venvs.py
    apt-get install -y --no-install-recommends libavdevice59 libavfilter8     # torchcodec needs a system FFmpeg
    PYTHONPATH=. python benchmarks/decoder_choice.py [--data FOLDER] [--json FILE]

All clips of the test corpus and its odd files (see MCG_CORPUS in CONTRIBUTING.md). Of every clip
eight frames, the middles of equal parts, are asked by number. A frame is right if among all frames that decoding from
the start gives no other is nearer to it (16x16 gray pictures); `stream` are clips of which another track was chosen.
Of odd files that we refuse only the first frame is asked for. `refused` are exceptions; a crash or hang fails the run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from harness import arguments, machine, save_json
from peer_venvs import python_of
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
NUM_FRAMES, SIZE = 8, 224
SYSTEMS = {
    "ours (PyAV), GOP table": ("ours", "ours", "exact"),
    "ours (PyAV), no table": ("ours", "ours", "linear"),
    "PyAV as documented, seek": ("pyav", "pyav", "seek"),
    "torchcodec, exact": ("torchcodec", "torchcodec", "exact"),
    "torchcodec, approximate": ("torchcodec", "torchcodec", "approximate"),
}


def make(folder: Path, files: list[Path]) -> None:
    """Links to the files, the plan, and small pictures of all frames."""
    from peers.decode_protocol import gray

    from shards.base.errors import MediaError
    from shards.media.probe import probe_key_frames
    from shards.media.rotation import Orientation
    from shards.media.videos.video import decode_packet, demux, open_video

    folder.mkdir(parents=True)
    plan: dict[str, Any] = {}
    truth = {}
    for path in files:
        data = path.read_bytes()
        (folder / path.name).write_bytes(data)
        plan[path.name] = {"frames": [0]}
        try:
            facts, keys = probe_key_frames(data, path.name)
        except MediaError:
            continue
        pictures = []
        try:
            with open_video(data) as (container, stream):
                for packet in demux(container, stream):
                    for frame in decode_packet(packet):
                        turn = Orientation.of(frame)
                        small = frame.reformat(SIZE, SIZE, "rgb24", interpolation="BICUBIC").to_ndarray()
                        small = np.rot90(small[:, ::-1] if turn.mirror else small, turn.quarter_turns)
                        pictures.append(gray(small[None])[0])
        except MediaError:
            pass
        truth[path.name] = np.array(pictures, np.float32)
        plan[path.name] = {
            "frames": [(2 * i + 1) * facts.num_frames // (2 * NUM_FRAMES) for i in range(NUM_FRAMES)],
            "key_frames": {
                "frames": [key.number for key in keys],
                "times": [float(np.float32(key.time)) for key in keys],
                "offsets": [key.offset for key in keys],
            },
        }
    np.savez(folder / "truth.npz", **truth)
    (folder / "plan.json").write_text(json.dumps(plan))


def judge(python: str, script: str, folder: Path, mode: str) -> dict[str, dict[str, Any]]:
    """name -> {"verdict", "why"}. Raises RuntimeError when the system crashes or hangs."""
    path = Path(__file__).with_name("peers") / f"decode_with_{script}.py"
    command = [python, str(path), str(folder), mode, "judge"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1200, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode} after {lines[-1:]}:\n{done.stderr[-1000:]}")
    return {line.pop("name"): line for line in lines}


def main() -> None:
    chosen = arguments(__doc__, rounds=1, data="/tmp/mcg-peers-data/choice").parse_args()
    corpus = Path(os.environ.get("MCG_CORPUS", ROOT.parent / "shared" / "corpus"))
    sets = {"corpus": "videos", "odd": "videos_odd"}
    result: dict[str, Any] = {"benchmark": "decoder choice", "machine": machine(), "sets": {}}
    for name, source in sets.items():
        folder = chosen.data / name
        if not (folder / "plan.json").exists():
            make(folder, sorted((corpus / source).iterdir()))
        verdicts = {
            label: judge(sys.executable if venv == "ours" else python_of(venv, chosen.venvs), script, folder, mode)
            for label, (script, venv, mode) in SYSTEMS.items()
        }
        words = ("right", "wrong", "refused")
        table = Table("system", *words, "wrong ones", title=f"{name}: {len(next(iter(verdicts.values())))} videos")
        counted: dict[str, Any] = {}
        for label, found in verdicts.items():
            by = {word: sorted(key for key, one in found.items() if one["verdict"] == word) for word in words}
            counted[label] = by
            table.add_row(label, *(str(len(by[word])) for word in words), ", ".join(by["wrong"]))
        Console(width=200).print(table)
        ours = verdicts["ours (PyAV), GOP table"]
        for label in ("torchcodec, exact", "torchcodec, approximate"):
            for key, one in verdicts[label].items():
                if one["verdict"] != ours[key]["verdict"]:
                    print(f"  {name}/{key}: ours {ours[key]}, {label} {one}")
        result["sets"][name] = counted
    print(json.dumps(result))
    save_json(chosen.json, result)


if __name__ == "__main__":
    main()
