"""Find the training samples of which an evaluation set has the video: `python -m tools leaks`.

By id (tools/leaks/ids.py), by equal bytes, and by near-duplicates as `python -m tools duplicates` finds them. A side is
datasets of shards, and annotation files of which only the ids are used.
Promises: OUT/exclude.jsonl names every training sample with a leak, and loaders honour it; of an annotation file it
names the key that a sample of that id has. OUT/pairs.parquet and OUT/report.html are as those of duplicates.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base import Engine, shown
from shards.cli import show_progress
from shards.read import Origin, Reader
from shards.storage import is_remote, local_path
from tools.duplicates.candidates import JoinCounts
from tools.duplicates.catalogue import Catalogue
from tools.duplicates.find import EXCLUDE_FILE, HASHES_FOLDER, PAIRS_FILE, REPORT_FILE, Found, look_at_all
from tools.duplicates.groups import equal_content
from tools.duplicates.numbering import Numbering
from tools.duplicates.pairs import CONTENT, IDS, Pair, near_pairs, write_exclusions, write_pairs
from tools.duplicates.places import make_out, named_path, open_places
from tools.duplicates.report import Report, write_report
from tools.duplicates.side_table import Place
from tools.leaks.annotation_ids import SUFFIXES, FileId, annotation_ids
from tools.leaks.ids import KnownIds, Spelling, VideoId, family_of, read_id
from tools.leaks.sample_ids import sample_ids
from tools.lookup import youtube_mapping
from tools.rows import OptionError, make_key


@dataclass(slots=True)
class _Side:
    """What is given for training or for evaluation."""

    opened: dict[Place, Reader]
    files: list[_File]


class _File(NamedTuple):
    """An annotation file."""

    name: str
    file: str
    family: str
    ids: list[FileId]


def find_leaks(
    train: Sequence[str],
    evaluation: Sequence[str],
    out: Path,
    *,
    engine: Engine,
    id_map: Path | None = None,
    ids_only: bool = False,
    hashes: Path | None = None,
    roots: Sequence[str] = (),
    shown: int = 500,
) -> Found:
    """Compare the samples of `train` with those of `evaluation`: PATH or NAME=PATH of datasets and annotation files.

    id_map: MSVD's youtube_mapping.txt. ids_only: no medium is read. Others as find_duplicates. Raises OptionError,
    AnnotationError, DatasetError, SourceError, OSError.
    """
    begin = time.monotonic()
    make_out(out)
    numbers = youtube_mapping(id_map) if id_map is not None else {}
    sides = _Side(*_open(train, roots, True)), _Side(*_open(evaluation, roots, False))
    readers = _apart(*(side.opened for side in sides))
    numbering, found, counts = Numbering(readers.values()), Found(str(out)), JoinCounts()
    pairs, origins, keys = _by_id(*sides, numbering, numbers)
    if not ids_only and all(side.opened for side in sides):
        catalogue = look_at_all(readers, hashes or out / HASHES_FOLDER, engine)
        pairs += _by_look(catalogue, catalogue.dataset < len(sides[0].opened), counts)
        found.count_lost(catalogue, counts)
    origins |= numbering.origins(number for pair in pairs for number in pair[:2] if number < numbering.total)
    for side, noun in zip(sides, ("train", "eval"), strict=True):
        samples = {str(place.name): int(reader.index.shards.num_samples.sum()) for place, reader in side.opened.items()}
        samples |= {file.name: len(file.ids) for file in side.files}
        found.datasets |= {f"{noun} {name}": count for name, count in samples.items()}
    found.count(pairs, origins)
    write_pairs(out / PAIRS_FILE, pairs, {}, origins)
    write_exclusions(out / EXCLUDE_FILE, _lines(pairs, origins, keys))
    found.excluded = len({pair.a for pair in pairs})
    marks = {pair.a: "training" for pair in pairs} | {pair.b: "evaluation" for pair in pairs}
    report = Report("Leaks", found.to_dict(), marks)
    found.pages = write_report(out / REPORT_FILE, report, pairs, origins, numbering, shown)
    found.seconds = time.monotonic() - begin
    return found


def _open(words: Sequence[str], roots: Sequence[str], is_training: bool) -> tuple[dict[Place, Reader], list[_File]]:
    datasets, files = [], []
    for word in words:
        name, path = named_path(word)
        local = Path(path if is_remote(path) else local_path(path))
        if local.suffix.lower() not in SUFFIXES or is_remote(path):
            if not is_remote(path) and local.is_file():
                raise OptionError(f"{path}: ids are not read from such a file; give one of {', '.join(SUFFIXES)}")
            datasets.append(word)
            continue
        family = family_of(name or "", local.name, local.absolute().parent.name)
        files.append(_File(name or local.stem, local.name, family, annotation_ids(local, is_training)))
    return open_places(datasets, roots, "training sets" if is_training else "evaluation sets"), files


def _apart(train: dict[Place, Reader], evaluation: dict[Place, Reader]) -> dict[Place, Reader]:
    """All datasets, training first. Raises OptionError for one that is on both sides."""
    for place in train:
        for other in evaluation:
            if place.address.rstrip("/") == other.address.rstrip("/"):
                raise OptionError(f"{shown(place.address)}: is given for training and for evaluation; give it once")
    return {**train, **evaluation}


def _by_id(
    train: _Side, evaluation: _Side, numbering: Numbering, numbers: Mapping[str, str]
) -> tuple[list[Pair], dict[int, Origin], dict[int, list[str]]]:
    """Pairs of one video by its id; the origins of those in annotation files, and the keys that their samples have."""
    named: list[tuple[VideoId, Origin]] = []
    spelling = Spelling()
    files = [*train.files, *evaluation.files]
    for name, file, family, ids in files:
        for text, film in ids:
            named.append((read_id(text, family, numbers, film), Origin(name, file, text)))
            spelling.note((named[-1][0],), file)
    split = sum(len(file.ids) for file in train.files)
    first = numbering.first.tolist()
    places = list(zip(first, numbering.readers, strict=False))
    num_train = len(train.opened)

    def all_ids(
        some: Sequence[tuple[int, Reader]], start: int, those: Sequence[tuple[VideoId, Origin]]
    ) -> Iterator[tuple[VideoId, int]]:
        for begin, reader in some:
            for number, ids in sample_ids(reader, numbers):
                spelling.note(ids, reader.name)
                yield from ((identifier, begin + number) for identifier in ids)
        yield from ((identifier, start + number) for number, (identifier, _) in enumerate(those))

    known = KnownIds(all_ids(places[num_train:], numbering.total + split, named[split:]))
    found: dict[int, int] = {}
    for identifier, number in all_ids(places[:num_train], numbering.total, named[:split]):
        if number not in found and (same := known.same_as(identifier)) is not None:
            found[number] = same
    pairs = [Pair(number, same, IDS) for number, same in found.items()]
    used = {number for pair in pairs for number in pair[:2]}
    listed = {number: named[number - numbering.total] for number in used if number >= numbering.total}
    # Builds differ in which spelling of an id they take for the key, and a key that no sample has leaves nothing out.
    keys = {number: sorted({make_key(origin.key), identifier.name}) for number, (identifier, origin) in listed.items()}
    return pairs, {number: origin for number, (_, origin) in listed.items()}, keys


def _by_look(catalogue: Catalogue, is_train: NDArray[np.bool_], counts: JoinCounts) -> list[Pair]:
    """Pairs of equal bytes, and of near-duplicates, the training sample first."""
    known = catalogue.checksum >= 0
    # Evaluation comes first in the order, so the first of equal media is one of evaluation if there is any.
    order = np.argsort(is_train, kind="stable")
    equal, _ = equal_content(catalogue.size[order], catalogue.checksum[order], known[order])
    equal = order[equal]
    pairs = [Pair(a, b, CONTENT) for b, a in equal.tolist() if is_train[a] and not is_train[b]]
    taken = {pair.a for pair in pairs}
    some, others = is_train & catalogue.has_look, ~is_train & catalogue.has_look
    some[list(taken)] = False
    with show_progress("compare", None, "pairs") as progress:
        near = near_pairs(catalogue, [(others, some), (some, others)], counts, progress)
    return pairs + [pair if is_train[pair.a] else pair._replace(a=pair.b, b=pair.a) for pair in near]


def _lines(
    pairs: Sequence[Pair], origins: Mapping[int, Origin], keys: Mapping[int, Sequence[str]]
) -> Iterator[tuple[Origin, str, dict[str, str]]]:
    """The lines of the exclusion list: one for each training sample, for an id one for each key that it may have."""
    leaks: dict[int, list[Pair]] = {}
    for pair in pairs:
        leaks.setdefault(pair.a, []).append(pair)
    for number, found in sorted(leaks.items()):
        kinds = ", ".join(dict.fromkeys(pair.kind for pair in found))
        origin = origins[number]
        places = [Origin(origin.dataset, "", key) for key in keys[number]] if number in keys else [origin]
        more = {"kind": kinds, "eval": str(origins[found[0].b])}
        yield from ((place, f"leak ({kinds}): {more['eval']}", more) for place in places)
