"""`python -m shards bench PATH`: how fast this machine reads this dataset.

Two measures, each repeated: the reader alone, one thread, in the exact shuffled order of training (samples per second
and per CPU-second, bytes per second); and the whole loader with decoding, under a neutral encode (frames spread
evenly over the video, squashed to a square, no text). Every repeat goes on where the one before stopped in the order.
The file cache of the operating system is used as it is: figures of a second run may be higher than of the first.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from shards.base.errors import UsageError
from shards.base.printing import cell, complain
from shards.cli.exit_codes import PROBLEMS, one_line_errors
from shards.cli.options import DEBUG_OPTION, JSON_OPTION, PATH_ARGUMENT, ROOTS_OPTION, num_cores
from shards.cli.output import emit
from shards.cli.progress import show_progress
from shards.cli.verbs.open_dataset import Dataset, no_samples, open_dataset, warn_of_missing_facts

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shards.loader.setup import RngFactory
    from shards.media.clip import EncodedClip
    from shards.media.facts import MediaFacts
    from shards.read.sample import Sample

_NAME = "bench"
_STREAMS = 16
_LEAST_STREAM = 256
"""Fewest samples of a stream: a substitute must find another sample in its window."""


def bench(
    path: str = PATH_ARGUMENT,
    batches: int = typer.Option(20, min=1, help="Batches of each repeat."),
    batch_size: int = typer.Option(32, min=1, help="Samples in a batch."),
    threads: int | None = typer.Option(None, min=1, help="Threads of the loader.  [default: the CPU cores]"),
    frames: int = typer.Option(4, min=1, max=64, help="Frames decoded of a video."),
    size: int = typer.Option(224, min=16, max=1024, help="Height and width of decoded frames, pixels."),
    repeats: int = typer.Option(3, min=1, max=100, help="Repeats of each measure."),
    seed: int = typer.Option(0, min=0, help="Seed of the order."),
    reader_only: bool = typer.Option(False, "--reader-only", help="Leave out the loader with decoding."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Measure reading: the reader alone, and the loader with decoding; medians and spread over repeats.

    \b
    Examples:
      python -m shards bench data/webvid
      python -m shards bench data/webvid --threads 8 --batch-size 64 --batches 100
      python -m shards bench s3://bucket/webvid --reader-only --json

    \b
    Exit codes: 0 fine, 1 samples that could not be used (or a dataset that is damaged), 2 wrong usage.
    """
    with one_line_errors(debug):
        dataset = open_dataset(path, "bench", root)
        if not dataset.index.dataset["num_samples"]:
            raise UsageError(no_samples(dataset, "read"))
        warn_of_missing_facts(dataset.index)
        settings = {
            "batches": batches,
            "batch_size": batch_size,
            "threads": threads or num_cores(),
            "frames": frames,
            "size": size,
            "repeats": repeats,
            "seed": seed,
        }
        total = repeats * (1 if reader_only else 2)
        with show_progress("bench", total, "repeats") as progress:
            reader = _bench_reader(dataset, settings, progress.advance)
            loader = None if reader_only else _bench_loader(dataset, settings, progress.advance)
        head = {"dataset": dataset.name, "url": dataset.url, "num_cores": num_cores(), **settings}
        data = {**head, "reader": reader, **({"loader": loader} if loader else {})}
        emit(data, as_json, _tables(data))
        failed = reader["failed"] + (loader["failed"] if loader else 0)
        if failed:
            reason = reader["reason"] or (loader["reason"] if loader else "")
            complain(f"{dataset.url}: {failed} samples could not be used, the first: {reason}")
            raise typer.Exit(PROBLEMS)


_AT_ONCE = 1024
"""Samples of one request to the reader."""


def _bench_reader(dataset: Dataset, settings: dict[str, Any], count: Any) -> dict[str, Any]:
    """The reader alone: {measure: {median, low, high}, failed, reason}. Raises DatasetError, SourceError."""
    from shards.order.defaults import default_window
    from shards.order.order import Order
    from shards.read.reader import Reader
    from shards.read.sample import SampleError

    reader = Reader(_NAME, dataset.address, "sample", roots=dataset.roots)
    counts = np.asarray(reader.counts, np.int64)
    window = default_window(counts, int(reader.index.shards.bytes.sum()), _streams(dataset))
    order = Order(counts, settings["seed"], _NAME, _streams(dataset), window)
    number = settings["batches"] * settings["batch_size"]
    measures: list[dict[str, float]] = []
    failed, reason = 0, ""
    reader.index.rows(int(order.at(0).shard))  # so that imports and the first row group are not measured
    for repeat in range(settings["repeats"]):
        wall, cpu, num_bytes, position = time.perf_counter(), time.process_time(), 0, repeat * number
        for start in range(position, position + number, _AT_ONCE):
            at = order.at(np.arange(start, min(start + _AT_ONCE, position + number)))
            for fetched in reader.fetch(at.shard, at.row):
                if isinstance(fetched, SampleError):
                    failed, reason = failed + 1, reason or str(fetched)
                else:
                    num_bytes += len(fetched.media)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        measures.append(
            {
                "samples_per_second": number / wall,
                "samples_per_cpu_second": number / max(cpu, 1e-9),
                "megabytes_per_second": num_bytes / wall / 1e6,
            }
        )
        count(1)
    return {**_summary(measures), "failed": failed, "reason": reason}


def _bench_loader(dataset: Dataset, settings: dict[str, Any], count: Any) -> dict[str, Any]:
    """The whole loader, one rank: {measure: {median, low, high}, seconds by stage, failed, reason}."""
    from shards.loader.config import DatasetConfig, LoaderConfig
    from shards.loader.loader import Loader

    config = LoaderConfig(
        blend=(DatasetConfig(name=_NAME, path=dataset.address, roots=dataset.roots, elements="sample"),),
        batch_size=settings["batch_size"],
        threads=settings["threads"],
        seed=settings["seed"],
        streams=_streams(dataset),
        max_failure_rate=None,
    )
    measures: list[dict[str, float]] = []
    failed, reason = 0, ""
    start = time.perf_counter()
    with Loader(config, 0, 1, _neutral_encode(settings["frames"], settings["size"])) as loader:
        next(loader)  # opens files and imports the decoder
        first = time.perf_counter() - start
        before = loader.stats.snapshot()
        for _ in range(settings["repeats"]):
            wall, cpu, frames = time.perf_counter(), time.process_time(), 0
            for _ in range(settings["batches"]):
                batch = next(loader)
                frames += batch.frames.shape[0] * batch.frames.shape[1]
                failed += len(batch.failures)
                reason = reason or next((str(failure) for failure in batch.failures), "")
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            number = settings["batches"] * settings["batch_size"]
            measures.append(
                {
                    "samples_per_second": number / wall,
                    "samples_per_cpu_second": number / max(cpu, 1e-9),
                    "frames_per_second": frames / wall,
                    "batch_milliseconds": 1000 * wall / settings["batches"],
                }
            )
            count(1)
        spent = loader.stats.snapshot() - before
    seconds = {stage: round(number, 3) for stage, number in spent.seconds.items()}
    return {
        **_summary(measures),
        "first_batch_milliseconds": round(1000 * first, 1),
        "thread_seconds": seconds,
        "failed": failed,
        "reason": reason,
    }


def _streams(dataset: Dataset) -> int:
    return min(_STREAMS, max(1, dataset.index.dataset["num_samples"] // _LEAST_STREAM))


def _neutral_encode(frames: int, size: int) -> Any:
    """An encode without a task: a clip of every medium, no text."""
    from shards.media.clip import EncodedClip, plan_clip
    from shards.media.clip_config import ClipConfig
    from shards.media.medium import whole

    config = ClipConfig(num_frames=frames, size=size).for_evaluation()

    def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
        facts = sample.facts if sample.facts.width else _probe(whole(sample.media))
        return EncodedClip(sample.media, facts.kind, plan_clip(facts, config, rng("clip")), {}, {})

    return encode


def _probe(media: bytes) -> MediaFacts:
    """Facts that the index lacks, of a medium of unknown extension. Raises MediaError."""
    from shards.base.errors import MediaError
    from shards.media.probe import probe

    try:
        return probe(media, "medium.jpg")
    except MediaError:
        return probe(media, "medium.mp4")


def _summary(measures: Sequence[dict[str, float]]) -> dict[str, Any]:
    return {
        name: {
            "median": _rounded(statistics.median(measure[name] for measure in measures)),
            "low": _rounded(min(measure[name] for measure in measures)),
            "high": _rounded(max(measure[name] for measure in measures)),
        }
        for name in measures[0]
    }


def _rounded(value: float) -> float:
    """A value rounded to four significant digits."""
    return float(f"{value:.4g}")


def _tables(data: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    table = Table(title=cell(f"{data['dataset']} at {data['url']}"), title_justify="left")
    table.add_column("")
    for column in ("median", "low", "high"):
        table.add_column(column, justify="right")
    for part, title in (
        ("reader", "reader alone, 1 thread"),
        ("loader", f"loader, {data['threads']} threads, {data['frames']} frames of {data['size']} pixels"),
    ):
        if part not in data:
            continue
        table.add_section()
        table.add_row(title)
        for name, numbers in data[part].items():
            if isinstance(numbers, dict) and "median" in numbers:
                label = name.replace("_per_", " / ").replace("_", " ")
                table.add_row(f"  {label}", *(f"{numbers[column]:,.6g}" for column in ("median", "low", "high")))
    repeats = f"{data['repeats']} repeats of {data['batches']} batches of {data['batch_size']} samples"
    notes = [f"{repeats}, {data['num_cores']} CPU cores"]
    if "loader" in data:
        spent = ", ".join(f"{stage} {seconds:.3g}" for stage, seconds in data["loader"]["thread_seconds"].items())
        notes.append(f"first batch after {data['loader']['first_batch_milliseconds']:.0f} ms; thread seconds: {spent}")
    return Group(table, *(cell(note) for note in notes))
