"""Opens mutated indexes in a process of little memory: `python -m tests.shards.index_fuzz FIRST COUNT`.

Each mutation follows from its number alone. Every index has to end as rows that can be read, or as a DatasetError. The
number is printed before it is tried, so that a crash or a hang names itself.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shards.base.errors import DatasetError
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.media.facts import KeyFrames, MediaFacts
from shards.storage.open import open_source

EXTRA_MEMORY = 3 << 29
SECONDS = 60
"""After which one index counts as a hang, on a busy machine too."""
FILES = ("dataset.json", "shards.parquet", "index.parquet")
WORDS = ["null", "-1", "1e999", "[]", "{}", '"\\ud800"', "99999999999999999999", "true", "[" * 3000, '"' + "x" * 5000]


def rows(shard: int, verified: bool) -> list[SampleRow]:
    g = np.random.Generator(np.random.Philox(shard))
    made = []
    for number in range(int(g.integers(0, 40))):
        checksum = int(g.integers(1 << 32)) if verified else None
        exts = ("mp4", "json") if number % 3 else ("jpg", "json", "txt")
        members = tuple(MemberRow(ext, 512 * at, int(g.integers(1, 99)), checksum) for at, ext in enumerate(exts))
        table = KeyFrames([0, 12], [0.0, 0.5], [48, 9000]) if number % 3 else None
        facts = (
            MediaFacts("video", "h264", 160, 96, 30, 25.0, 1.2) if number % 3 else MediaFacts("image", "jpeg", 8, 8, 1)
        )
        made.append(SampleRow(f"{shard:03d}/é{number:05d}", members, number % 4, facts, table))
    return made


def base(folder: Path, kind: int) -> None:
    """A good index; the kinds differ in what is written and in how."""
    folder.mkdir()
    verified, key_frames = kind % 2 == 0, kind % 3 == 0
    shards = [rows(shard, verified) for shard in range(6)]
    tables = [rows_table(number, found, key_frames) for number, found in enumerate(shards)]
    entries = [
        ShardEntry(f"{number:06d}.tar", len(found), sum(row.num_records for row in found), 9999, "0" * 32)
        for number, found in enumerate(shards)
    ]
    path = str(folder / "index.parquet")
    if kind < 3:
        write_index(path, tables, key_frames=key_frames)
    else:  # nothing packed, so that a changed byte reaches what is inside
        options: dict[str, Any] = {"compression": "none", "use_dictionary": kind == 3, "row_group_size": 10_000}
        pq.write_table(pa.concat_tables(tables), path, data_page_version="2.0" if kind == 4 else "1.0", **options)
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json("h", entries, 0, {}, verified=verified))


def mutated(data: bytes, file: str, draw: random.Random) -> bytes:
    out = bytearray(data)
    if file == "dataset.json" and draw.random() < 0.5:
        parts = data.decode().split(",")
        part = draw.randrange(len(parts))
        parts[part] = parts[part].partition(":")[0] + ": " + draw.choice(WORDS)
        return ",".join(parts).encode()
    for _ in range(draw.choice((1, 1, 1, 2, 5, 20))):
        near_end = draw.random() < 0.5  # the footer is there
        at = draw.randrange(max(0, len(out) - 2500) if near_end else 0, len(out)) if out else 0
        kind = draw.randrange(6)
        if kind == 0 and out:
            out[at] ^= 1 << draw.randrange(8)
        elif kind == 1 and out:
            out[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        elif kind == 2:
            out[at:at] = draw.choice((b"\xff\xff\xff\xff\x0f", b"\x00", b"\x80" * 9 + b"\x01", draw.randbytes(9)))
        elif kind == 3:
            del out[at : at + draw.choice((1, 2, 8, 100))]
        elif kind == 4:
            out[at : at + 5] = b"\xfe\xff\xff\xff\x0f"
        else:
            start = draw.randrange(len(out) or 1)
            out[at:at] = out[start : start + draw.choice((4, 40, 400))]
    return bytes(out[: draw.randrange(len(out))]) if out and draw.random() < 0.05 else bytes(out)


def try_one(folder: Path) -> str:
    """What became of an index: "read" or "refused". Any other exception is a fault."""
    try:
        opened = Index.open(open_source(str(folder)))
        for shard in range(min(len(opened.shards), 20)):
            found = opened.rows(shard)
            for row in range(min(len(found), 50)):
                _ = found.keys[row], found.members(row), found.facts(row), opened.gop_table(shard, row)
            if len(found):
                found.ranges(np.arange(len(found)))
            opened.table(shard)
        for _ in opened.scan(["width", "num_records"]):
            pass
    except DatasetError as error:
        assert len(str(error)) < 3000 and str(error).isprintable(), repr(str(error))
        return "refused"
    return "read"


def main(first: int, count: int) -> None:
    counts = {"read": 0, "refused": 0}
    with tempfile.TemporaryDirectory() as place:
        bases = [Path(place) / str(kind) for kind in range(6)]
        for kind, folder in enumerate(bases):
            base(folder, kind)
            assert try_one(folder) == "read", kind
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + EXTRA_MEMORY, resource.RLIM_INFINITY))
        work = Path(place) / "work"
        work.mkdir()
        for number in range(first, first + count):
            print(number, flush=True)
            draw = random.Random(number)
            folder, file = draw.choice(bases), draw.choice((*FILES, FILES[2], FILES[2]))
            for name in FILES:
                data = (folder / name).read_bytes()
                (work / name).write_bytes(mutated(data, file, draw) if name == file else data)
            signal.alarm(SECONDS)
            counts[try_one(work)] += 1
            signal.alarm(0)
    print(counts)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
