"""Check what a dataset promises: `python -m tools verify DATASET` as a function.

Promises: nothing is written. All texts are read once; of media a draw is decoded, or with `every_byte` all of them and
every byte compared, by the code of `python -m shards verify --decode`. What is wrong is a problem with its place; that
fewer samples are here than published is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from shards.base import MediaError, SourceError, threads
from shards.cli import Dataset, Progress, Verification, verify_dataset
from shards.decode import open_decoder
from shards.media import ClipConfig, plan_clip
from shards.read import Reader, SampleError
from tools.trust.against import Comparison, compare
from tools.trust.contents import read_contents
from tools.trust.draw import draw, single
from tools.trust.inputs import Inputs
from tools.trust.published import published
from tools.trust.splits import Overlap, overlaps
from tools.trust.texts import TextFigures

_CLIP = ClipConfig(num_frames=4, size=64)
_KEPT = 100


@dataclass(slots=True)
class Checked:
    """What was found out about one dataset."""

    dataset: str
    url: str
    samples: int
    texts: int
    quarantined: int
    published: tuple[str, str, int] | None
    """(split, "samples" or "texts", count)."""
    text_figures: dict[str, Any]
    comparison: Comparison | None = None
    decoded: int = 0
    bytes: Verification | None = None
    problems: list[str] = field(default_factory=list)
    """The first of them."""
    num_problems: int = 0

    def add(self, problem: str, count: int = 1) -> None:
        """Tell a problem, which stands for `count`."""
        self.num_problems += count
        if len(self.problems) < _KEPT:
            self.problems.append(problem)

    @property
    def here(self) -> int | None:
        """What stands beside the published count."""
        return None if self.published is None else self.texts if self.published[1] == "texts" else self.samples


@dataclass(slots=True)
class Result:
    """What was found out about all datasets."""

    datasets: list[Checked]
    overlaps: list[Overlap]

    @property
    def problems(self) -> list[str]:
        """The first problems, each with its place."""
        found = [f"{one.url}: {problem}" for one in self.datasets for problem in one.problems]
        for shared in self.overlaps:
            both = f"{shared.first} and {shared.second}"
            if shared.ids:
                found.append(f"{both}: share {shared.ids:,} ids, e.g. {shared.id_examples[0]}")
            if shared.contents:
                found.append(f"{both}: share {shared.contents:,} media, e.g. {', '.join(shared.content_examples[:1])}")
        return found

    @property
    def num_problems(self) -> int:
        """Samples, rows and pairs that are wrong."""
        return sum(one.num_problems for one in self.datasets) + sum(shared.num_problems for shared in self.overlaps)

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"ok": not self.num_problems, "num_problems": self.num_problems, **asdict(self)}


def verify(
    datasets: Sequence[Dataset],
    inputs: Inputs | None,
    *,
    decode: int,
    every_byte: bool,
    seed: int,
    jobs: int,
    progress: Progress,
) -> Result:
    """Check datasets, and what splits of one set share. inputs: what the only dataset was made from. decode: media of
    each that are decoded. Raises DatasetError, SourceError, AnnotationError."""
    found = [_check(dataset, inputs, decode, every_byte, seed, jobs, progress) for dataset in datasets]
    return Result(found, overlaps(datasets))


def _check(
    dataset: Dataset, inputs: Inputs | None, decode: int, every_byte: bool, seed: int, jobs: int, progress: Progress
) -> Checked:
    about = dataset.index.dataset
    figures = TextFigures()
    contents = read_contents(dataset.index, figures, progress.advance)
    found = Checked(
        dataset=dataset.name,
        url=dataset.url,
        samples=about["num_samples"],
        texts=about["num_elements"],
        quarantined=int(about.get("num_quarantined") or 0),
        published=published(about, dataset.url),
        text_figures=figures.to_dict(),
    )
    for example in figures.examples.get("unreadable", ())[:_KEPT]:
        found.add(f"texts cannot be read: {example}", 0)
    found.num_problems += figures.unreadable
    if inputs is not None:
        found.comparison = compare(dataset.index, contents, inputs.rows())
        _tell(found, found.comparison)
    if every_byte:
        found.bytes = verify_dataset(dataset, False, True, jobs, None)
        found.decoded = found.bytes.num_decoded
        for problem in found.bytes.problems[:_KEPT]:
            where = problem.shard + (f":{problem.key}" if problem.key is not None else "")
            found.add(f"{where}: {problem.reason}", 0)
        found.num_problems += found.bytes.num_problems
    elif decode:
        _decode(found, dataset, decode, seed, jobs)
    return found


def _tell(found: Checked, comparison: Comparison) -> None:
    texts = {
        "missing": "rows are neither samples nor in the quarantine; build again",
        "refused": "rows are refused by the parser and not in the quarantine; were files or media changed?",
        "extra": "samples come from no row; give the annotation files of this dataset, or build again",
        "changed": "samples have other texts than their rows; build again",
    }
    for what, text in texts.items():
        if count := getattr(comparison, what):
            found.add(f"{count:,} {text} (first: {comparison.examples[what][0]})", count)


def _decode(found: Checked, dataset: Dataset, count: int, seed: int, jobs: int) -> None:
    reader = Reader(dataset.name, dataset.address, "sample", partial_bytes=1 << 22, roots=dataset.roots)
    places = list(single(draw(reader.index, count, seed, "verify")))

    def problem(place: tuple[int, int]) -> str | None:
        unused = np.random.default_rng(0)
        try:
            sample = reader.read(*place, unused)
            if sample.facts.height:
                plan = plan_clip(sample.facts, _CLIP.for_evaluation(), unused)
                open_decoder("cpu")(sample.media, sample.facts.kind, plan)
        except SampleError as error:
            return f"{error.origin}: {error.reason}"
        except (MediaError, SourceError) as error:
            return f"{reader.origin(*place)}: {error}"
        return None

    for told in threads(jobs)(problem, places):
        found.decoded += 1
        if told is not None:
            found.add(told)
