"""How many samples does one CPU second read from local shards, ours and the peers: the level below any loader?

    python benchmarks/peer_venvs.py
    PYTHONPATH=. python benchmarks/bench_read.py [--rounds 5] [--data FOLDER] [--venvs FOLDER] [--json FILE]

No user reads like this; bench_tiny.py measures what users run. 16,000 samples of 20 KB and 100 bytes (two members) in
16 shards in the page cache, nothing decoded or parsed, no batches, one process without workers: whole passes for a
second after one that warms up, sequential and shuffled. Ours is `Reader.fetch` in exact shuffled order, 1,024 elements
at a time: with the checksum of every member compared in every pass, and without (no peer has any). Ours gives views of
memory that it has read into, LitData views of the page cache, which it maps; in the cases "copied" bytes objects are
made of both, as a worker or a decoder is given them. Every system must deliver the same number of samples and bytes.
"""

from __future__ import annotations

from functools import partial

import forms
from harness import arguments, ask, beside, save_json
from peers.protocol import Options

SHARDS, PER_SHARD, MEDIA_BYTES = 16, 1000, 20 * 1024
FETCH, PLAIN = "ours, fetch", "ours, fetch, no checksums"
COPIED, PLAIN_COPIED = f"{FETCH}, copied", f"{PLAIN}, copied"


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/read")
    options.add_argument("--quick", action="store_true", help="ours, LitData and WebDataset only")
    chosen = options.parse_args()
    peers = ("litdata", "webdataset") if chosen.quick else forms.SYSTEMS[1:]
    forms.make(chosen.data, SHARDS, PER_SHARD, MEDIA_BYTES, ("ours", *peers), venvs=chosen.venvs)
    names = forms.names(chosen.data)
    cases = {}
    for label, system, shuffle, mode in [
        (FETCH, "ours", True, "fetch"),
        (PLAIN, "ours", True, "fetch, no checksums"),
        (COPIED, "ours", True, "fetch, copied"),
        (PLAIN_COPIED, "ours", True, "fetch, no checksums, copied"),
        *((f"{system}, sequential", system, False, "") for system in peers),
        *((f"{system}, shuffled", system, True, "") for system in peers),
        ("litdata, shuffled, copied", "litdata", True, "copied"),
    ]:
        url = str(forms.convert(chosen.data, system, chosen.venvs))
        # 64 divides the samples: DALI's last batch would run into the next pass
        asked = Options(url=url, names=names, shuffle=shuffle, mode=mode, batch=64)
        cases[label] = partial(ask, forms.command(system, "read", asked, chosen.venvs))
    figure = "samples_per_cpu_s"
    ratios = {
        ours: (figure, lambda label: not label.startswith("ours")) for ours in (FETCH, PLAIN, COPIED, PLAIN_COPIED)
    }
    result = beside("read", cases, chosen.rounds, ratios, ("samples_per_s", figure))
    for name, expected in (("samples", SHARDS * PER_SHARD), ("bytes", SHARDS * PER_SHARD * MEDIA_BYTES)):
        wrong = {label: found[name] for label, found in result["cases"].items() if found[name]["least"] != expected}
        assert not wrong, f"{name}: expected {expected}, found {wrong}"
    save_json(chosen.json, result)


if __name__ == "__main__":
    main()
