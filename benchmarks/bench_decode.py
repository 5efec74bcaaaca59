"""How many clips does one CPU second decode, ours and the peers?

    python benchmarks/peer_venvs.py
    apt-get install -y --no-install-recommends libavdevice59 libavfilter8     # torchcodec needs a system FFmpeg
    PYTHONPATH=. python benchmarks/bench_decode.py [--sets corpus gop60 ...] [--only torchcodec] [--rounds 5]
                                                   [--data FOLDER] [--json FILE]

Eight frames, the middles of equal parts, of the whole picture squashed to 224x224 RGB, from encoded bytes in memory,
one codec thread. The sets are those of clips.py. Every system gives the same frames (`wrong` counts clips in which one
does not; those that fail are left out and counted, too) by its own filter: libswscale's bicubic with exact rounding in
ours and bilinear in the others, torch's antialiased bilinear with torchcodec. Ours decodes with the GOP table of the
index ("exact"), without ("linear"), at the key frames next to the planned ones ("snapped"), and by our backend of the
name torchcodec, where the extra is installed ("torchcodec"; clips that it leaves to the CPU decoder count as failed).

The ratios are clips per CPU second, ours exact to the others. The set `forms` is ours on every form of storage: the
originals, key frames only, and what `tools transcode` makes of them; its ratios are those of the first line to the
others, so small ones are fast forms. torchcodec 0.13 is its last build without CUDA.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from clips import SETS, make
from harness import arguments, ask, beside, save_json
from peer_venvs import python_of

PEERS = {
    "torchcodec, approximate": ("torchcodec", "torchcodec", "approximate"),
    "torchcodec, exact": ("torchcodec", "torchcodec", "exact"),
    "torchcodec, resize inside": ("torchcodec", "torchcodec", "approximate, resize inside"),
    "PyAV, seek": ("pyav", "pyav", "seek"),
    "PyAV, linear": ("pyav", "pyav", "linear"),
    "decord": ("decord", "decord", "-"),
    "SPDL": ("spdl", "spdl", "-"),
    "Energon": ("energon", "energon-av", "-"),
}
"""Label -> (decode_with_NAME.py, environment, mode)."""
EXACT = "ours, exact"
SHOWN = ("ms_per_clip", "clips_per_cpu_s", "clips_per_s", "wrong", "failed")
FORMS = {
    "original, GOP 250, exact": ("gop250", "exact"),
    "original, GOP 60, exact": ("gop60", "exact"),
    "original, GOP 60, snapped": ("gop60", "snapped"),
    "original, GOP 30, exact": ("gop30", "exact"),
    "original, GOP 30, snapped": ("gop30", "snapped"),
    "h264_256, exact": ("transcoded", "exact"),
    "h264_256, snapped": ("transcoded", "snapped"),
    "h264_256_tenth, exact": ("tenth", "exact"),
    "frames_8": ("frames", "frames"),
}


def main() -> None:
    options = arguments(__doc__, rounds=5, data="/tmp/mcg-peers-data/decode")
    options.add_argument("--sets", nargs="*", default=["corpus", "gop250", "gop60", "gop30", "vp9", "forms"])
    options.add_argument("--only", default="", help="cases whose names hold this word, and ours, exact")
    options.add_argument("--seconds", type=float, default=2.0, help="least time of a measurement")
    chosen = options.parse_args()
    formats = {folder for folder, _ in FORMS.values()} if "forms" in chosen.sets else set()
    make(chosen.data, [name for name in SETS if name in {*chosen.sets, *formats, "gop250"}])
    figure = "clips_per_cpu_s"

    def command(script: str, environment: str, folder: str, mode: str) -> list[str]:
        python = sys.executable if environment == "ours" else python_of(environment, chosen.venvs)
        path = Path(__file__).with_name("peers") / f"decode_with_{script}.py"
        return [python, str(path), str(chosen.data / folder), mode, str(chosen.seconds)]

    for name in chosen.sets:
        if name == "forms":
            cases = {f"ours, {form}": partial(ask, command("ours", "ours", *how)) for form, how in FORMS.items()}
            first = f"ours, {next(iter(FORMS))}"
            result = beside("decode forms", cases, chosen.rounds, {first: (figure, lambda _: True)}, SHOWN)
        else:
            assert name in SETS, f"{name}: no such set; there are {', '.join(SETS)} and forms"
            modes = ("exact", "linear", "snapped", "torchcodec")
            cases = {f"ours, {mode}": partial(ask, command("ours", "ours", name, mode)) for mode in modes}
            cases |= {
                label: partial(ask, command(script, venv, name, mode)) for label, (script, venv, mode) in PEERS.items()
            }
            cases = {label: case for label, case in cases.items() if label == EXACT or chosen.only in label}
            result = beside(f"decode {name}", cases, chosen.rounds, {EXACT: (figure, lambda _: True)}, SHOWN)
        ours = result["cases"]
        unfit = [label for label in ours if label.startswith("ours") and ours[label]["wrong"]["greatest"]]
        assert not unfit, f"{name}: ours gives wrong frames: {unfit}"
        save_json(chosen.json, result)


if __name__ == "__main__":
    main()
