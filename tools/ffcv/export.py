"""Write the frames of a dataset of shards into one FFCV file (.beton): `python -m tools export-ffcv` as a function.

Promises: samples in = samples written + quarantined, checked against what a reader finds in the file, every checksum
compared; what was left out by `where` or `exclude` counts as quarantined, and all of that stands in
OUT.quarantine.jsonl, which is an exclusion list. The file appears whole or not at all; one that is there, made of the
same samples in the same way, leaves nothing to do. Gives up: a killed export begins anew.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from shards.base import ConversionError, DatasetError, Engine, threads
from shards.cli import Progress
from shards.dataset import NUM_EXAMPLES, Report
from shards.read import MAX_FRAMES, Beton, BetonReader, Origin
from tools.building.conversion import convert
from tools.ffcv.file_writer import SETTINGS, FileWriter, Mode
from tools.ffcv.out_file import written_aside
from tools.ffcv.samples import Failure, Samples
from tools.rows import BadRow, OptionError


@dataclass(slots=True, kw_only=True)
class _ExportReport(Report):
    """The accounts of an export; quarantined rows are counted by stage: selection, read, decode, write."""

    mode: str
    num_frames: int
    short_side: int
    frames: int = 0
    """Number of stored frames."""

    @property
    def num_failed(self) -> int:
        """Quarantined samples without those that where or exclude left out."""
        return self.num_quarantined - self.quarantined.get("selection", 0)


def export(
    url: str,
    out: str,
    *,
    num_frames: int,
    short_side: int,
    mode: Mode = "raw",
    quality: int = 90,
    where: str | None = None,
    exclude: Sequence[str] = (),
    engine: Engine | None = None,
    progress: Progress | None = None,
    roots: Sequence[str] = (),
) -> _ExportReport:
    """Write the samples of the dataset at `url` to the file `out`, which must not be there yet; if it is, made of the
    same samples in the same way, there is nothing to do.

    engine: where samples are decoded; None: two threads. roots: where shards may lie beside `url`.
    Raises OptionError, ConversionError; DatasetError and SourceError of the dataset; OSError for the disk.
    """
    begin = time.monotonic()
    if not 1 <= num_frames <= MAX_FRAMES:
        raise OptionError(f"--num-frames must lie in 1..{MAX_FRAMES}, found {num_frames}")
    FileWriter.check_installed()
    samples = Samples(url, num_frames, short_side, where, exclude, roots)
    report = _ExportReport(name=samples.name, out=out, mode=mode, num_frames=num_frames, short_side=short_side)
    settings = samples.settings() | {"mode": mode, "quality": quality if mode == "jpg" else None}
    if os.path.exists(out) and _settings_of(out) == settings:
        _take_over_finished(report)
        report.seconds = time.monotonic() - begin
        return report
    if progress is not None:
        progress.update(0, samples.number)
    with written_aside(out) as (part, quarantine_part, handle):
        page = FileWriter.page_bytes(samples.sizes(), num_frames, mode, shutil.disk_usage(os.path.dirname(part)).free)
        with (
            open(quarantine_part, "w", encoding="ascii") as lines,
            FileWriter(part, num_frames, samples.number, page, mode, quality, settings) as writer,
        ):
            _convert(report, samples, writer, lines, engine or threads(2), progress)
            report.check_usable(url)
        _check_file(report, samples, part, writer)
        os.fsync(handle)
        os.replace(quarantine_part, f"{out}.quarantine.jsonl")
        os.replace(part, out)
    report.bytes = os.path.getsize(out)
    report.seconds = time.monotonic() - begin
    return report


def _convert(
    report: _ExportReport,
    samples: Samples,
    writer: FileWriter,
    lines: TextIO,
    engine: Engine,
    progress: Progress | None,
) -> None:
    def quarantine(bad: BadRow) -> None:
        assert isinstance(bad, Failure)
        lines.write(json.dumps(bad.line()) + "\n")

    convert(report, samples.fetched(), samples.prepare, writer.write, quarantine, engine=engine, progress=progress)


def _settings_of(out: str) -> object:
    """The settings with which a file was made; None for a file of another program."""
    try:
        return json.loads(Beton(out).text(0)).get(SETTINGS) if os.path.exists(f"{out}.quarantine.jsonl") else None
    except (DatasetError, ValueError, AttributeError):
        return None  # not made by this program


def _take_over_finished(report: _ExportReport) -> None:
    """Fill in the accounts of a file that was finished before."""
    found = BetonReader(report.name, report.out, verify="never")
    with open(f"{report.out}.quarantine.jsonl", encoding="ascii") as file:
        lines = [json.loads(line) for line in file]
    report.finished_before = True
    report.num_samples, report.num_records = found.file.num_samples, int(found.counts.sum())
    report.frames = int(found.file.rows["num_frames"].sum())
    report.num_quarantined, report.num_rows = len(lines), report.num_samples + len(lines)
    report.num_resumed = report.num_rows
    failures = [
        Failure.of(Origin(line["dataset"], line["shard"], line["key"]), line["stage"], line["reason"]) for line in lines
    ]
    report.quarantined = dict(Counter(bad.kind for bad in failures))
    report.examples = [bad.example for bad in failures if bad.example][:NUM_EXAMPLES]
    report.bytes = os.path.getsize(report.out)


def _check_file(report: _ExportReport, samples: Samples, part: str, writer: FileWriter) -> None:
    """Compare the accounts with what a reader finds in the file, and read all of it. Raises ConversionError."""
    found = BetonReader(samples.name, part, verify="never")
    report.num_samples, report.num_records = found.file.num_samples, int(found.counts.sum())
    report.frames = int(found.file.rows["num_frames"].sum())
    held = report.num_samples + report.num_quarantined
    report.check({"the dataset holds": samples.number, "file and quarantine hold": held})
    if (writer.num_samples, writer.num_records) != (report.num_samples, report.num_records):
        raise ConversionError(
            f"{report.out}: {writer.num_samples} samples with {writer.num_records} records were written, the file "
            f"holds {report.num_samples} with {report.num_records}; report a bug"
        )
    for row in range(found.file.num_samples):
        numbers = range(int(found.file.rows["num_frames"][row]))
        damages = (found.file.text_damage(row), *(found.file.frame_damage(row, number) for number in numbers))
        damage = next((damage for damage in damages if damage is not None), None)
        if damage is not None:
            what = f"what was written of {found.file.key(row)} cannot be read back: {damage}"
            raise ConversionError(f"{report.out}: {what}; check the disk, and export again")
