"""How many tiny samples does a whole loader deliver, ours and the peers, when nothing is decoded?

    python benchmarks/peer_venvs.py
    PYTHONPATH=. python benchmarks/bench_tiny.py [--bytes 100,20000] [--batch 32,256] [--rounds 3] [--quick]

Samples of 100 bytes or 20 KB and a JSON record of 100 bytes; batches of media and parsed records, shuffled, one pass in
a fresh process from local shards in the page cache. Ours at defaults (blend and batch size), the peers as their
documentation says, with 0, 1, 2 and 4 worker processes. CPU seconds are those of all processes. `per_cpu_s` and `per_s`
are samples between the first and the last eighth of the pass, `whole_...` of all of it from opening on; importing is in
none. Every checksum of ours is compared, as by default in a first pass; no peer has any. Special, and named so: ours
with another number of threads, and without checksums.
"""

from __future__ import annotations

import whole
from harness import arguments, beside, save_json
from whole import Case, Data

SHARDS, SAMPLES = 64, {100: 1 << 16, 20_000: 1 << 15}
OURS = "ours, defaults"
SHOWN = ("per_cpu_s", "per_s", "whole_per_cpu_s", "whole_per_s", "first_batch_s", "first_batch_cpu_s")


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/whole")
    options.add_argument("--bytes", default="100,20000")
    options.add_argument("--batch", default="32,256")
    whole.options(options)
    chosen = options.parse_args()
    cases = [
        Case("ours"),
        Case("ours", special={"threads": 1}, label="ours, special: 1 thread"),
        Case("ours", special={"threads": 4}, label="ours, special: 4 threads"),
        Case("ours", special={"verify": "never"}, label="ours, special: no checksums"),
        *whole.chosen_peers(chosen),
    ]
    for media_bytes in map(int, chosen.bytes.split(",")):
        per_shard = whole.quick(chosen, SAMPLES[media_bytes]) // SHARDS
        data = Data(f"bytes{media_bytes}", SHARDS, per_shard, media_bytes)
        for batch in map(int, chosen.batch.split(",")):
            asked = whole.measure(cases, data, chosen, batch)
            ratios = {OURS: ("per_cpu_s", lambda _: True)}
            save_json(chosen.json, beside(f"tiny {media_bytes} batch {batch}", asked, chosen.rounds, ratios, SHOWN))


if __name__ == "__main__":
    main()
