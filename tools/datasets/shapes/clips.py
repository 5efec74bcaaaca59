"""Rows of rendered clips: mp4 bytes with the texts that were asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Annotated

import typer

from shards.base import process_pool
from tools.datasets.shapes.scene import FPS, Array, Scene
from tools.datasets.shapes.texts import TEXTS, text_records
from tools.rows import CountedRows, OptionError, Row

SPLITS = ("train", "val", "test")


def rows(
    split: Annotated[str, typer.Option(help="train, val or test: clips of different seeds.")],
    num_clips: Annotated[int, typer.Option(min=1, help="Clips to render.")],
    text: Annotated[
        str,
        typer.Option(
            help="captions (to pre-train on), questions, choices (which of five captions is right) or blanks (the "
            "missing word of a caption)."
        ),
    ] = "questions",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the clips.")] = 0,
) -> CountedRows:
    """Rendered clips of moving shapes (synthetic).

    Clips have captions, questions with answers, choices among captions, or blanks. They are rendered here, in one
    process per core.
    """
    for name, value, known in (("--split", split, SPLITS), ("--text", text, TEXTS)):
        if value not in known:
            raise OptionError(f"{name} {value!r} is unknown; choose one of {', '.join(known)}")
    if num_clips < 1:
        raise OptionError(f"--num-clips must be at least 1, found {num_clips}")
    return CountedRows(_rows(split, num_clips, text, seed), num_clips)


def _rows(split: str, num_clips: int, text: str, seed: int) -> Iterator[Row]:
    with process_pool(os.cpu_count() or 1) as pool:
        yield from pool.map(partial(_make_row, seed, split, text), range(num_clips), chunksize=32)


def _make_row(seed: int, split: str, text: str, number: int) -> Row:
    """The clip number `number` of a set as a row: mp4 bytes with its texts."""
    scene = Scene.draw(seed, split, text, number)
    name = f"{split}-{text}-{number:06d}"
    records = text_records(scene, seed, split, text, number)
    return Row(name, name, records, {"id": name, **scene.facts}, media=encode(scene.render()), ext="mp4")


def encode(frames: Array) -> bytes:
    """An mp4 of uint8 (T, H, W, 3) frames: H.264, FPS frames a second, one thread, so the same bytes every time."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        # mbtree: x264 reads memory that it has not written; with it 7 of 100 encodings differed
        options = {"crf": "16", "preset": "fast", "threads": "1", "g": str(FPS), "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()
