"""Bare Pillow on threads, the ceiling for pictures: encoded bytes and records lie in memory, nothing is read."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from answer import main
from question import Batch, Question, parse, pixels


def load() -> None:
    from PIL import Image

    Image.preinit()


def batches(question: Question) -> Iterator[Batch]:
    samples = []
    for path in sorted(Path(question.url).glob("*.tar")):
        with tarfile.open(path) as tar:
            members = iter(tar)
            for member in members:
                text = next(members)
                samples.append((tar.extractfile(member).read(), parse(tar.extractfile(text).read())))  # type: ignore[union-attr]
    coming = [_numbers(question, start) for start in range(0, len(samples), question.batch)]

    def one(numbers: range) -> Batch:
        out = np.empty((len(numbers), question.size, question.size, 3), np.uint8)
        for place, number in enumerate(numbers):
            out[place] = pixels(samples[number][0], question.size)
        return out, [samples[number][1] for number in numbers]

    if question.workers == 1:
        yield from map(one, coming)
        return
    with ThreadPoolExecutor(question.workers) as pool:  # a batch to a thread, so that none waits for another's end
        yield from pool.map(one, coming)


def _numbers(question: Question, start: int) -> range:
    return range(start, min(start + question.batch, question.samples))


if __name__ == "__main__":
    main(load, batches)
