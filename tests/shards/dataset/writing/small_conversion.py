"""A conversion of 60 rows with every case of the writer, and the files that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from shards.dataset.writing.conversion import WriteSummary
from shards.dataset.writing.new_sample import DuplicateKey
from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import KeyFrames, MediaFacts

FACTS = MediaFacts("video", "h264", 320, 240, 75, 25.0, 3.0)
NUM_ROWS = 60
PROVENANCE = {"annotations": {"file": "a.json", "sha256": "00ff"}, "tool": 1}


def convert(out: str | Path, step: Callable[[int], None] = lambda row: None, **changes: object) -> WriteSummary:
    """A conversion of 60 rows: every seventh is bad, every eleventh repeats an earlier key; shards of 10, or 20 kB."""
    options = {"samples_per_shard": 10, "max_shard_bytes": 20_000, "provenance": PROVENANCE, **changes}
    with DatasetWriter(out, "toy", **options) as writer:  # type: ignore[arg-type]
        for row in range(writer.rows_done, NUM_ROWS):
            step(row)
            key = f"k{row - 20 if row % 11 == 10 and row > 30 else row:03d}"
            if row % 7 == 6:
                writer.quarantine(f"record {row}", "cannot be decoded")
                continue
            media = np.random.default_rng(row).bytes(300 * (1 + row % 9))
            try:
                table = KeyFrames([0, row + 1], [0.0, 0.5], [48, 300]) if changes.get("key_frames") else None
                writer.write(key, media, "mp4", [{"caption": f"{row} ü"}] * (1 + row % 2), {"row": row}, FACTS, table)
            except DuplicateKey as error:
                writer.quarantine(f"record {row}", str(error))
        return writer.close()


def contents(folder: str | Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}
