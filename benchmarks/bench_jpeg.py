"""How many JPEG pictures does a whole loader deliver as batches of pixels, ours and the peers?

    python benchmarks/peer_venvs.py
    PYTHONPATH=. python benchmarks/bench_jpeg.py [--sizes 320x256,1280x720] [--rounds 3] [--quick]

Frames of real clips as JPEG of quality 90, squashed to 224x224 by Pillow in every system, bit for bit the same pixels
(checked, but for our special DCT scaling, which gives up some sharpness); batches of 32 with parsed records, shuffled,
one pass in a fresh process. Ours at defaults, the peers with 0, 1, 2 and 4 worker processes. Bare Pillow on 1 and 2
threads is the ceiling: no reading, no order, no records. CPU seconds are those of all processes; figures between the
first and the last eighth of the pass, and of all of it from opening on.
"""

from __future__ import annotations

import whole
from harness import arguments, beside, save_json
from whole import Case, Data

SHARDS, SIZE, BATCH = 16, 224, 32
SAMPLES = {"320x256": 8192, "1280x720": 2048}
OURS = "ours, defaults"
SHOWN = ("per_cpu_s", "per_s", "whole_per_cpu_s", "whole_per_s", "first_batch_s", "first_batch_cpu_s")


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/whole")
    options.add_argument("--sizes", default="320x256,1280x720")
    whole.options(options)
    chosen = options.parse_args()
    cases = [
        Case("ours"),
        Case("ours", special={"threads": 1}, label="ours, special: 1 thread"),
        Case("ours", special={"clip": {"jpeg_margin": 1}}, label="ours, special: DCT scaling"),
        *(Case("pillow", count, label=f"bare Pillow, {count} threads") for count in (1, 2)),
        *whole.chosen_peers(chosen),
    ]
    for size in chosen.sizes.split(","):
        width, height = map(int, size.split("x"))
        per_shard = whole.quick(chosen, SAMPLES[size]) // SHARDS
        data = Data(f"jpeg{size}", SHARDS, per_shard, picture=(width, height))
        asked = whole.measure(cases, data, chosen, BATCH, SIZE)
        ratios = {OURS: ("per_cpu_s", lambda _: True)}
        save_json(chosen.json, beside(f"jpeg {size}", asked, chosen.rounds, ratios, SHOWN))


if __name__ == "__main__":
    main()
