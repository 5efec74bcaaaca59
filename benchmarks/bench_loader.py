"""What does the whole loader cost beside its decoder?

    PYTHONPATH=. python benchmarks/bench_loader.py [--rounds 5] [--data FOLDER] [--json FILE]

Local shards with an index and GOP tables: `loader` reads, compares every checksum, draws a record, plans, decodes and
collates batches of 16 in training order, two threads; `bare decoder` decodes the same clips by the same plans, from
bytes that lie in memory with their tables, in two threads; `loader, free decoder` is the loader with a decoder that
costs nothing, so all that is not decoding. Clips are 8 frames of 224x224: of H.264, 640x360, with a key frame every 60
frames; of the same transcoded to a short side of 256; and single JPEG pictures of 455x256.
Wanted: at least 0.95 of the bare decoder, per CPU second.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from clips import NUM_FRAMES, SIZE, make, read_plan
from harness import arguments, ask, beside, run_case, save_json

SETS = {"gop60": 96, "transcoded": 384, "pictures": 1536}
"""Set -> samples of its dataset; the clips of the set come again and again."""
PER_SHARD, BATCH, THREADS = 48, 16, 2


def write_dataset(clips: Path, folder: Path, num_samples: int) -> None:
    """Tars with an index, as `shards index --media` makes it."""
    import io
    import tarfile

    from shards.dataset.indexing.indexer import index_tars
    from shards.dataset.tars.looks import Looks

    media = _media(clips)
    folder.mkdir(parents=True)
    caption = json.dumps({"records": [{"caption": "c" * 72}]}).encode()
    for first in range(0, num_samples, PER_SHARD):
        with tarfile.open(folder / f"{first // PER_SHARD:03d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in range(first, min(first + PER_SHARD, num_samples)):
                ext, data = media[number % len(media)]
                for name, content in ((f"{number:06d}.{ext}", data), (f"{number:06d}.json", caption)):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    index_tars(str(folder), looks=Looks(media=True))


def _media(clips: Path) -> list[tuple[str, bytes]]:
    from shards.media.frames import FramePictures

    if clips.name == "pictures":
        packed = [FramePictures(path.read_bytes()) for path in sorted((clips.parent / "frames").glob("*.zip"))]
        return [("jpg", frames.picture(number)) for frames in packed for number in range(len(frames))]
    return [(name.rpartition(".")[2], (clips / name).read_bytes()) for name in read_plan(clips)]


def loader(folder: str, decoder: str) -> dict[str, float]:
    """One pass. decoder: "cpu" or "free"."""
    from loaders.undecoded import undecoded

    from shards import EncodedClip, Loader, LoaderConfig

    if decoder == "free":
        undecoded()
    config, tokens = _config(folder), {"ids": np.zeros(8, np.int64)}

    def encode(sample: Any, rng: Any) -> EncodedClip:
        from shards import plan_clip

        return EncodedClip(sample.media, sample.facts.kind, plan_clip(sample.facts, config, rng("clip")), tokens, {})

    blend = [{"name": "bench", "path": folder}]
    settings = {"blend": blend, "batch_size": BATCH, "threads": THREADS, "verify": "always", "decode": "cpu"}
    with Loader(LoaderConfig.model_validate(settings), 0, 1, encode) as opened:
        batches = iter(opened)
        next(batches)  # imports, and the beginning of what is fetched ahead
        count = opened.num_elements // BATCH
        wall, cpu, clips = time.perf_counter(), time.process_time(), 0
        for _ in range(count):
            clips += len(next(batches).frames)
        return _figures(clips, wall, cpu)


def bare(folder: str) -> dict[str, float]:
    """The decoder alone."""
    from shards import plan_clip
    from shards.decode.cpu import decode
    from shards.read.reader import Reader

    reader, draw, config = Reader("bench", folder, partial_bytes=1 << 30), np.random.default_rng(0), _config(folder)
    rows = [(shard, row) for shard, count in enumerate(reader.counts.tolist()) for row in range(count)]
    samples = [reader.read(shard, row, draw) for shard, row in rows]
    plans = [plan_clip(sample.facts, config, draw) for sample in samples]

    def one(number: int) -> None:
        decode(samples[number].media, samples[number].facts.kind, plans[number])

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(BATCH)))
        wall, cpu = time.perf_counter(), time.process_time()
        list(pool.map(one, range(len(samples))))
        return _figures(len(samples), wall, cpu)


def _config(folder: str) -> Any:
    from shards import ClipConfig

    return ClipConfig(num_frames=1 if folder.endswith("pictures") else NUM_FRAMES, size=SIZE)


def _figures(clips: int, wall: float, cpu: float) -> dict[str, float]:
    spent, spent_cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "clips_per_cpu_s": clips / spent_cpu,
        "clips_per_s": clips / spent,
        "cpu_ms_per_clip": 1e3 * spent_cpu / clips,
    }


def main() -> None:
    chosen = arguments(__doc__, rounds=5, data="/tmp/mcg-peers-data/decode").parse_args()
    make(chosen.data, ("gop250", "gop60", "transcoded", "frames"))
    figure = "clips_per_cpu_s"
    for name, num_samples in SETS.items():
        folder = chosen.data.parent / "decode-shards" / name
        if not (folder / "dataset.json").exists():
            write_dataset(chosen.data / name, folder, num_samples)

        def case(*words: str) -> Any:
            return partial(ask, [sys.executable, __file__, "--case", *words])

        cases = {
            "ours, loader": case("loader", str(folder), "cpu"),
            "ours, bare decoder": case("bare", str(folder)),
            "ours, loader, free decoder": case("loader", str(folder), "free"),
        }
        result = beside(f"loader {name}", cases, chosen.rounds, {"ours, loader": (figure, lambda _: True)})
        save_json(chosen.json, result)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"loader": loader, "bare": bare}, sys.argv[2:])
    else:
        main()
