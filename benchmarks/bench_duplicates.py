"""Are near-duplicates found, nothing else, and how long does joining a million hashes take?

    python benchmarks/bench_duplicates.py corpus CORPUS    # about 4 minutes of CPU; needs the program ffmpeg
    python benchmarks/bench_duplicates.py join

corpus: each clip and picture of the corpus is re-encoded, cropped by a tenth at a random place, mirrored, slowed by a
tenth (clips) and given a logo; all of it goes into two datasets (clips, pictures) that `tools duplicates` compares.
Recall is of the original with each change, precision of all pairs; sources that are the same recording by nature
(ALIKE) count as neither. join: random hashes with planted pairs.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ALIKE = (
    {"brick_channel_av1", "brick_channel_hdr"},
    {"flower_bloom", "flower_bloom_vp8"},
    {"hello_screencast", "hello_screencast_theora"},
)
CHANGES = ("reencoded", "cropped", "mirrored", "slowed", "logo")
NUM_HASHES = 1_000_000


def make_logo(path: Path) -> None:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (160, 80), (250, 250, 250))
    draw = ImageDraw.Draw(image)
    draw.ellipse((8, 8, 72, 72), fill=(200, 30, 30))
    draw.rectangle((84, 20, 150, 60), fill=(20, 40, 120))
    image.save(path)


def change_clip(source: Path, logo: Path, folder: Path, draw: random.Random) -> Iterator[Path]:
    """The five changes of a clip, 240 pixels high, from one decoding."""
    size = "scale='if(gt(iw,ih),-2,240)':'if(gt(iw,ih),240,-2)',setsar=1"
    crop = f"crop=iw*0.9:ih*0.9:(iw-ow)*{draw.random():.3f}:(ih-oh)*{draw.random():.3f}"
    left = draw.choice(["0.03*main_w", "main_w*0.97-overlay_w"])
    top = draw.choice(["0.03*main_h", "main_h*0.97-overlay_h"])
    graph = (
        f"[0:v:0]setpts=PTS-STARTPTS,split=5[a][b][c][d][e];[a]{size}[o0];[b]{crop},{size}[o1];[c]hflip,{size}[o2];"
        f"[d]setpts=1.1*PTS,{size}[o3];[e]{size}[f];[1:v][f]scale2ref=w=main_w*0.16:h=main_h*0.12[l][g];"
        f"[g][l]overlay={left}:{top}[o4]"
    )
    words = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "1", "-i", str(source), "-i", str(logo)]
    words += ["-filter_complex_threads", "1", "-filter_complex", graph]
    made = [folder / f"{source.stem}--{change}.mp4" for change in CHANGES]
    for number, path in enumerate(made):
        words += ["-map", f"[o{number}]", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-threads", "1"]
        words += ["-pix_fmt", "yuv420p", "-fps_mode", "passthrough", str(path)]
    subprocess.run(words, check=True)
    yield from made


def change_picture(source: Path, logo: Path, folder: Path, draw: random.Random) -> Iterator[Path]:
    """The four changes of a picture, as JPEGs of quality 50 and a short side of 320 pixels."""
    from PIL import Image, ImageOps

    with Image.open(source) as opened:
        rgba = opened.convert("RGBA")
    image = Image.new("RGB", rgba.size, (255, 255, 255))
    image.paste(rgba, mask=rgba.getchannel("A"))
    wide, high = image.size
    left, top = draw.random() * wide * 0.1, draw.random() * high * 0.1
    mark = Image.open(logo).resize((max(1, int(wide * 0.16)), max(1, int(high * 0.12))))
    marked = image.copy()
    at_left, at_top = (draw.choice([0.03, 0.97 - share]) for share in (0.16, 0.12))
    marked.paste(mark, (int(wide * at_left), int(high * at_top)))
    made = {
        "reencoded": image,
        "cropped": image.crop((int(left), int(top), int(left + wide * 0.9), int(top + high * 0.9))),
        "mirrored": ImageOps.mirror(image),
        "logo": marked,
    }
    for change, picture in made.items():
        scale = min(1.0, 320 / min(picture.size))
        path = folder / f"{source.stem}--{change}.jpg"
        picture.resize([max(1, round(side * scale)) for side in picture.size]).save(path, quality=50)
        yield path


def bench_corpus(corpus: Path) -> None:
    from shards.base import threads
    from shards.dataset import DatasetWriter
    from shards.media.probe import probe
    from tools.duplicates.find import find_duplicates

    for kind, change in (("videos", change_clip), ("images", change_picture)):
        with tempfile.TemporaryDirectory() as name:
            folder, draw = Path(name), random.Random(0)
            make_logo(folder / "logo.png")
            sources = sorted((corpus / kind).iterdir())
            with DatasetWriter(folder / kind, kind) as writer:
                for source in sources:
                    for path in (source, *change(source, folder / "logo.png", folder, draw)):
                        data = path.read_bytes()
                        key = path.stem + ("" if path is not source else "--original")
                        writer.write(key, data, path.suffix[1:], [{"caption": key}], {}, probe(data, path.name))
            begin = time.process_time()
            find_duplicates([str(folder / kind)], folder / "out", engine=threads(1), shown=0)
            seconds = time.process_time() - begin
            report(kind, [source.stem for source in sources], folder / "out/pairs.parquet", seconds)


def report(kind: str, stems: list[str], pairs: Path, seconds: float) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(pairs, columns=["a_key", "b_key"]).to_pylist()
    found = {frozenset(row.values()) for row in rows}
    sides = [tuple(key.rpartition("--")[0] for key in pair) for pair in found]
    right = sum(a == b for a, b in sides)
    alike = sum(a != b and {a, b} in ALIKE for a, b in sides)
    wrong = [pair for pair in sides if pair[0] != pair[1] and set(pair) not in ALIKE]
    recall = {
        change: sum(frozenset((f"{stem}--original", f"{stem}--{change}")) in found for stem in stems) / len(stems)
        for change in CHANGES
        if kind == "videos" or change != "slowed"
    }
    print(
        json.dumps(
            {
                "kind": kind,
                "sources": len(stems),
                "recall": {change: round(share, 4) for change, share in recall.items()},
                "precision": round(right / max(1, right + len(wrong)), 4),
                "right": right,
                "wrong": sorted({" and ".join(sorted(pair)) for pair in wrong}),
                "num_wrong": len(wrong),
                "alike": alike,
                "cpu_s_of_comparing": round(seconds, 1),
            }
        )
    )


def bench_join() -> None:
    from tools.duplicates.join import Cut, join, num_bands

    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 2**64, (NUM_HASHES, 4), np.uint64)
    distances = (8, 16, 24, 27, 31, 40, 48)
    planted = draw.permutation(NUM_HASHES)[: 2 * 2000 * len(distances)].reshape(len(distances), 2000, 2)
    for distance, pairs in zip(distances, planted, strict=True):
        for a, b in pairs:
            bits = np.zeros(256, np.uint8)
            bits[draw.choice(256, distance, replace=False)] = 1
            hashes[b] = hashes[a] ^ np.packbits(bits).view(">u8").astype(np.uint64)
    begin, wall, cut = time.process_time(), time.monotonic(), Cut()
    found = [pairs.query * NUM_HASHES + pairs.other for pairs in join(hashes, hashes, 48, cut)]
    seconds, wall = time.process_time() - begin, time.monotonic() - wall
    known = np.unique(np.concatenate(found))
    recall = {
        distance: float(np.isin(pairs[:, 0] * NUM_HASHES + pairs[:, 1], known).mean())
        for distance, pairs in zip(distances, planted, strict=True)
    }
    print(
        json.dumps(
            {
                "hashes": NUM_HASHES,
                "bands": num_bands(NUM_HASHES, NUM_HASHES),
                "recall_by_distance": recall,
                "cpu_s": round(seconds, 1),
                "wall_s": round(wall, 1),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
                "lookups_cut": cut.lookups,
            }
        )
    )
    # A title card in a tenth of the videos.
    hashes[draw.permutation(NUM_HASHES)[: NUM_HASHES // 10]] = hashes[0]
    begin, cut = time.process_time(), Cut()
    number = sum(len(pairs.query) for pairs in join(hashes, hashes, 48, cut))
    seconds = time.process_time() - begin
    print(json.dumps({"a tenth equal: cpu_s": round(seconds, 1), "pairs": number, "lookups_cut": cut.lookups}))


if __name__ == "__main__":
    if sys.argv[1:] == ["join"]:
        bench_join()
    elif sys.argv[1:2] == ["corpus"] and len(sys.argv) == 3:
        bench_corpus(Path(sys.argv[2]))
    else:
        raise SystemExit(__doc__)
