"""How many bytes does the index take for a sample?

    python benchmarks/index_size.py

100,000 samples of two members (about 20 KB and 100 bytes, sizes drawn) in 100 shards, with 9-digit keys that count up
and that are drawn; index.parquet and shards.parquet together, written as the tools write them. GOP tables: none, or a
key frame every 60 or 8 frames, at bytes that are drawn.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from harness import compare, run_case

NUM_SHARDS, SAMPLES_PER_SHARD = 100, 1000


def size(keys: str, media: str, gop: str = "0") -> dict[str, float]:
    """Bytes per sample with "sequential" or "random" keys, with "video" facts that differ or "image" facts, and with a
    key frame every so many frames in the GOP tables, "0": without tables."""
    from shards.dataset.index.rows import MemberRow, SampleRow
    from shards.dataset.index.shard_table import ShardEntry
    from shards.dataset.index.shards_file import write_shards
    from shards.dataset.index.write_index import rows_table, write_index
    from shards.media.facts import KeyFrames, MediaFacts

    g = np.random.Generator(np.random.Philox(0))
    num_samples, num_keys = NUM_SHARDS * SAMPLES_PER_SHARD, 0
    names = np.arange(num_samples) if keys == "sequential" else g.permutation(10**8)[:num_samples] * 10

    def rows(shard: int) -> list[SampleRow]:
        nonlocal num_keys
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
            table = None
            if int(gop) and facts.fps:
                keys = np.arange(0, facts.num_frames, int(gop))
                places = 48 + np.cumsum(g.gamma(4, 500 * int(gop), len(keys))).astype(np.int64)
                table = KeyFrames(keys.tolist(), (keys / facts.fps).tolist(), places.tolist())
                num_keys += len(keys)
            key = f"{names[shard * SAMPLES_PER_SHARD + number]:09d}"
            found.append(SampleRow(key, tuple(members), 1, facts, table))
        return found

    with tempfile.TemporaryDirectory() as folder:
        index, shards = Path(folder) / "index.parquet", Path(folder) / "shards.parquet"
        tables = (rows_table(shard, rows(shard), bool(int(gop))) for shard in range(NUM_SHARDS))
        write_index(str(index), tables, key_frames=bool(int(gop)))
        entries = [
            ShardEntry(f"{s:06d}.tar", SAMPLES_PER_SHARD, SAMPLES_PER_SHARD, 1 << 24, g.bytes(16).hex())
            for s in range(NUM_SHARDS)
        ]
        write_shards(str(shards), entries)
        return {
            "index_bytes_per_sample": index.stat().st_size / num_samples,
            "with_shards_bytes_per_sample": (index.stat().st_size + shards.stat().st_size) / num_samples,
            "key_frames_per_sample": num_keys / num_samples,
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
        cases |= {f"sequential keys, videos, GOP {gop}": ["size", "sequential", "video", gop] for gop in ("60", "8")}
        compare("index size", __file__, cases, repeats=1)
