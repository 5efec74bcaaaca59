"""How much memory does a whole loader take, ours and the peers, and does it grow?

    PYTHONPATH=. python benchmarks/bench_memory.py [--rounds 1] [--batches 10000] [--quick: 2,000]

Batches of 32 samples of 20 KB with parsed records, shuffled, nothing decoded, over as many passes as that takes. PSS of
all processes together (what they share counts once): `imported_mb` with everything imported and nothing opened,
`added_mb` beyond that at the end, `most_mb` the largest of ten looks, `growth_mb` the end less the first tenth;
`anonymous_mb` is `added_mb` without mapped files. Ours at defaults, the peers with 0, 1, 2 and 4 workers.
`benchmarks/loader_memory.py` compares ours with a trivial loader.
"""

from __future__ import annotations

import whole
from harness import arguments, beside, save_json
from whole import Case, Data

SHARDS, SAMPLES, MEDIA_BYTES, BATCH = 64, 1 << 15, 20_000, 32


def main() -> None:
    options = arguments(__doc__, rounds=1, data="/tmp/mcg-peers-data/whole")
    options.add_argument("--batches", type=int, default=10_000)
    whole.options(options)
    chosen = options.parse_args()
    num_batches = min(chosen.batches, 2000) if chosen.quick else chosen.batches
    data = Data(f"bytes{MEDIA_BYTES}", SHARDS, whole.quick(chosen, SAMPLES) // SHARDS, MEDIA_BYTES)
    cases = [Case("ours"), *whole.chosen_peers(chosen)]
    amount = {"batches": num_batches, "samples": num_batches * BATCH}
    asked = whole.measure(cases, data, chosen, BATCH, verb="memory", **amount)
    ratios = {"ours, defaults": ("added_mb", lambda _: True)}
    save_json(chosen.json, beside("memory", asked, chosen.rounds, ratios))


if __name__ == "__main__":
    main()
