"""How many bytes does the index take for a sample?

    python benchmarks/index_size.py

100,000 samples of two members (about 20 KB and 100 bytes, sizes drawn) in 100 shards, with 9-digit keys that count up
and that are drawn; index.parquet and shards.parquet together, written as the tools write them. No GOP tables.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from harness import compare, run_case

NUM_SHARDS, SAMPLES_PER_SHARD = 100, 1000


def size(keys: str, media: str) -> dict[str, float]:
    """Bytes per sample with "sequential" or "random" keys, and with "video" facts that differ or "image" facts."""
    from shards.index import MemberRow, SampleRow, ShardEntry, rows_table, write_index, write_shards
    from shards.sample import MediaFacts

    g = np.random.Generator(np.random.Philox(0))
    num_samples = NUM_SHARDS * SAMPLES_PER_SHARD
    names = np.arange(num_samples) if keys == "sequential" else g.permutation(10**8)[:num_samples] * 10

    def rows(shard: int) -> list[SampleRow]:
        offset, found = 512, []
        for number in range(SAMPLES_PER_SHARD):
            members = []
            for ext, mean in (("mp4" if media == "video" else "jpg", 20_000), ("json", 100)):
                length = int(g.integers(mean // 2, mean * 3 // 2))
                members.append(MemberRow(ext, offset, length, int(g.integers(1 << 32))))
                offset += 512 + -(-length // 512) * 512
            if media == "video":
                fps = float(g.choice([24, 25, 29.97, 30]))
                frames = int(g.integers(50, 1500))
                facts = MediaFacts("video", "h264", 596, 336, frames, fps, frames / fps, 0.0)
            else:
                facts = MediaFacts("image", "jpeg", int(g.integers(200, 1000)), int(g.integers(200, 1000)), 1)
            found.append(SampleRow(f"{names[shard * SAMPLES_PER_SHARD + number]:09d}", tuple(members), 1, facts))
        return found

    with tempfile.TemporaryDirectory() as folder:
        index, shards = Path(folder) / "index.parquet", Path(folder) / "shards.parquet"
        write_index(str(index), (rows_table(shard, rows(shard)) for shard in range(NUM_SHARDS)))
        entries = [
            ShardEntry(f"{s:06d}.tar", SAMPLES_PER_SHARD, SAMPLES_PER_SHARD, 1 << 24, g.bytes(16).hex())
            for s in range(NUM_SHARDS)
        ]
        write_shards(str(shards), entries)
        return {
            "index_bytes_per_sample": index.stat().st_size / num_samples,
            "with_shards_bytes_per_sample": (index.stat().st_size + shards.stat().st_size) / num_samples,
        }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"size": size}, sys.argv[2:])
    else:
        cases = {
            f"{keys} keys, {media}s": ["size", keys, media]
            for keys in ("sequential", "random")
            for media in ("image", "video")
        }
        compare("index size", __file__, cases, repeats=1)
