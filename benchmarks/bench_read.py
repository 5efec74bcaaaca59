"""How many samples does one CPU second read from local shards, ours and the peers?

    python benchmarks/peer_venvs.py
    PYTHONPATH=. python benchmarks/bench_read.py [--rounds 5] [--data FOLDER] [--venvs FOLDER] [--json FILE]

16,000 samples of 20 KB and 100 bytes (two members) in 16 shards in the page cache, nothing decoded, one process
without workers: whole passes for a second after one that warms up, sequential and shuffled. Ours is always in exact
shuffled order: 1,024 elements at a time (`Reader.fetch`), with the checksum of every member compared in every pass
and without (no peer has any), and through the Loader with its threads, batches and accounting, and checksums. Every
system must deliver the same number of samples and bytes.
"""

from __future__ import annotations

from functools import partial

import forms
from harness import arguments, ask, beside, save_json
from peers.protocol import Options

SHARDS, PER_SHARD, MEDIA_BYTES = 16, 1000, 20 * 1024
FETCH, PLAIN, LOADER = "ours, fetch", "ours, fetch, no checksums", "ours, Loader"


def main() -> None:
    chosen = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/read").parse_args()
    forms.make(chosen.data, SHARDS, PER_SHARD, MEDIA_BYTES, venvs=chosen.venvs)
    names = forms.names(chosen.data)
    cases = {}
    for label, system, shuffle, mode in [
        (FETCH, "ours", True, "fetch"),
        (PLAIN, "ours", True, "fetch, no checksums"),
        (LOADER, "ours", True, ""),
        *((f"{system}, sequential", system, False, "") for system in forms.SYSTEMS[1:]),
        *((f"{system}, shuffled", system, True, "") for system in forms.SYSTEMS[1:]),
    ]:
        url = str(forms.convert(chosen.data, system, chosen.venvs))
        # 64 divides the samples: DALI's last batch would run into the next pass
        asked = Options(url=url, names=names, shuffle=shuffle, mode=mode, batch=64)
        cases[label] = partial(ask, forms.command(system, "read", asked, chosen.venvs))
    figure = "samples_per_cpu_s"
    ratios = {ours: (figure, lambda label: not label.startswith("ours")) for ours in (FETCH, PLAIN, LOADER)}
    result = beside("read", cases, chosen.rounds, ratios, ("samples_per_s", figure))
    for name, expected in (("samples", SHARDS * PER_SHARD), ("bytes", SHARDS * PER_SHARD * MEDIA_BYTES)):
        wrong = {label: found[name] for label, found in result["cases"].items() if found[name]["least"] != expected}
        assert not wrong, f"{name}: expected {expected}, found {wrong}"
    save_json(chosen.json, result)


if __name__ == "__main__":
    main()
