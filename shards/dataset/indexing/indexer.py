"""Index tars that others wrote: `python -m shards index` as a function.

Promises:
- Input is a folder (its *.tar, also in capitals; compressed ones are left out and reported), a brace pattern or a glob,
  local or the URL of a store; the tars of one dataset lie in one folder. They are read and never changed.
- Samples in the tars = indexed + quarantined, shard by shard. A tar that is damaged, missing or changes while it is
  read is left out and reported, or stops the run (`strict`); nothing is left out silently.
- Only tars that are new or whose size or state (time, etag) changed are read; those that are gone leave the index.
- Crash-safe: records of finished tars are kept in OUT/unfinished/ for the next run (tar_record.py); an earlier index
  stays valid until the new one is put in place (publish.py). One run at a time in a local folder.
- Tars are read by `jobs` processes, which end with the run, or by another engine (tar_jobs.py); the index is the same.
Gives up: noticing a tar that was changed while its size and time stayed the same (`verify` reads every byte), and tars
in several folders (index each and blend them). A remote tar is streamed once and never stored: memory is one medium and
24 MiB a job; if only headers are read, members of more than 4 MiB are skipped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from shards.base.engines import Engine, processes
from shards.base.errors import DatasetError, MissingFile, PatternError, SourceError
from shards.base.processes import end_unguarded_import
from shards.base.redact import shown
from shards.dataset.indexing.cost import Cost, Step
from shards.dataset.indexing.earlier_runs import pieces_before, unfinished_pieces
from shards.dataset.indexing.index_report import IndexReport
from shards.dataset.indexing.part import Part
from shards.dataset.indexing.publish import Header, Piece, publish_index
from shards.dataset.indexing.tar_jobs import DamagedShard, run_tasks
from shards.dataset.indexing.tar_record import TarTask, read_record, record_name
from shards.dataset.tars.foreign import ENERGON, is_energon
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.pattern import check_whole, find_tars, normal_place
from shards.dataset.tars.reasons import Reasons
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.target import UNFINISHED, Target
from shards.dataset.writing.write_error import naming
from shards.storage.open import open_source
from shards.storage.source import Source, Stat, address_of, check_name


def index_tars(
    pattern: str,
    out: str | None = None,
    name: str | None = None,
    looks: Looks = Looks(),  # noqa: B008 - immutable
    jobs: int = 1,
    strict: bool = False,
    on_tar: Callable[[Step], None] | None = None,
    roots: Sequence[str] = (),
    *,
    on_start: Callable[[Cost], None] | None = None,
    part: Part | None = None,
    engine: Engine | None = None,
) -> IndexReport:
    """Index the tars that a pattern names, and write the index to `out` (None: beside them).

    name: of the dataset (None: of the folder). on_start is called once, before the first tar is read, on_tar after each
    tar. roots: where a web server may redirect to beside itself. part: index only this part of the tars, in a folder of
    its own inside `out`. engine: where tars are read (None: in `jobs` processes).
    Raises PatternError, DamagedShard (only if strict), DatasetError when `out` holds something else, WriteError,
    SourceError, CannotStart. After an error the finished shards stay for the next run.
    """
    begin = time.monotonic()
    if looks.media and not looks.checksums:
        raise PatternError("media facts need the bytes of the media: leave out --headers, or --media")
    if jobs > 1:
        end_unguarded_import()
    root, names = find_tars(pattern, roots)
    place = root if out is None else normal_place(out)
    provenance: dict[str, Any] = {"pattern": shown(pattern)}
    if part is not None:
        mine = part.take(names, shown(pattern))
        names, provenance = mine, provenance | part.provenance(names)
        place = part.place(place)
    target = open_target(place)
    try:
        beside = target.address == root
        if beside:
            check_whole(pattern, root)
        header = Header(
            name or _name_of(shown(root)),
            None if beside else shown(root),
            looks.checksums,
            looks.media,
            provenance,
            looks.rules,
        )
        watch = _Watch(on_start or (lambda cost: None), on_tar or (lambda step: None))
        run = _Run(target, root, header, looks, engine or _engine(jobs), strict, watch, roots)
        done = run.run(names)
        done.found = ENERGON if is_energon(root) else ""
        done.seconds = time.monotonic() - begin
        return done
    finally:
        target.release()


class _Watch(NamedTuple):
    """Those who want to know how a run gets on."""

    on_start: Callable[[Cost], None]
    on_tar: Callable[[Step], None]


def _engine(jobs: int) -> Engine | None:
    return processes(jobs) if jobs > 1 else None


class _Run:
    """One run of the indexer over one dataset."""

    def __init__(
        self,
        target: Target,
        root: str,
        header: Header,
        looks: Looks,
        engine: Engine | None,
        strict: bool,
        watch: _Watch,
        roots: Sequence[str],
    ) -> None:
        self._target, self._root, self._header = target, root, header
        self._looks, self._engine, self._strict = looks, engine, strict
        self._watch = watch
        self._damaged: dict[str, str] = {}
        self._notes: dict[str, int] = {}
        self._reuse = True
        self._source, self._roots = open_source(root, roots), tuple(roots)

    def run(self, names: Sequence[str]) -> IndexReport:
        pattern, is_part = self._header.provenance["pattern"], "part" in self._header.provenance
        old: dict[str, Piece] = {}
        why: list[str] = []
        if self._reuse:
            old, why, notes = pieces_before(self._target, self._root, self._header)
            self._notes |= notes
        unfinished = unfinished_pieces(self._target, self._root, self._looks)
        pieces: dict[str, Piece] = {}
        tasks: list[TarTask] = []
        good: list[str] = []
        for name in names:
            try:
                check_name(name.encode().decode())  # an index holds only UTF-8
                good.append(name)
            except ValueError as error:
                self._leave_out(ascii(name), f"{name!a} cannot be the name of a shard ({error}); rename it")
        missing = 0
        for name, state in zip(good, _stat_each(self._source, good), strict=True):
            if isinstance(state, SourceError):
                missing += isinstance(state, MissingFile) and not os.path.islink(f"{self._root}/{name}")
                self._leave_out(name, str(state))
                continue
            known = next((p[name] for p in (old, unfinished) if name in p and _is_current(p[name], state)), None)
            if known is not None:
                pieces[name] = known
            else:
                tasks.append(TarTask(self._root, name, state, self._looks, self._roots))
        num_known, gone = len(pieces), old.keys() - set(names)
        again = f"the index at {self._target.url} {' and '.join(why)}" if why else ""
        self._watch.on_start(Cost.of(tasks, num_known, again))
        pieces.update(self._scan(tasks))
        if missing == len(names):
            raise PatternError(f"{pattern}: not found; names {missing} tars, and none of them is in {self._source.url}")
        if not pieces and not is_part:  # `merge` needs every part, and asks whether there is a shard in any
            kinds = self._kinds_of_damage()
            head = f"{pattern}: none of {len(names)} tars can be indexed: "
            raise DamagedShard(*([head + kinds[0]] if len(kinds) == 1 else [head, *kinds[:5]]))
        in_order = [pieces[name] for name in sorted(pieces)]
        provenance = self._header.provenance | {"left_out": dict(sorted(self._damaged.items()))}
        try:
            reasons = publish_index(self._target, self._header._replace(provenance=provenance), in_order)
        except DatasetError:
            if not self._reuse or old.keys().isdisjoint(pieces):
                raise
            self._reuse = False  # reading the rows of the earlier index showed that it is damaged: read every tar
            return self.run(names)
        self._target.clear()
        num_scanned = len(pieces) - num_known
        url, root = self._target.url, self._source.url
        done = IndexReport.of(self._header, url, root, in_order, num_scanned, self._damaged, len(gone), reasons)
        done.notes |= self._notes
        return done

    def _scan(self, tasks: list[TarTask]) -> Iterator[tuple[str, Piece]]:
        # A new source: that of the target may hold a record open that is replaced now.
        unfinished = open_source(address_of(self._target.unfinished))
        num_bytes, reasons = 0, Reasons()
        results = run_tasks(tasks, self._engine if len(tasks) > 1 else None, self._source)
        for done, (task, record) in enumerate(results, start=1):
            problem = record if isinstance(record, str) else ""
            if isinstance(record, str):
                self._leave_out(task.name, record)
            else:
                name = record_name(task.name)
                path = self._target.scratch(name)
                with naming(path), open(path, "wb") as file:
                    file.write(record)
                self._target.publish(path, f"{UNFINISHED}/{name}", sync=False)
                piece = read_record(unfinished, name)
                assert piece is not None, task
                for line in piece.quarantined():
                    reasons.add(task.name, line)
                yield task.name, piece
            num_bytes += task.expected.size
            self._watch.on_tar(Step(done, len(tasks), num_bytes, reasons.by_kind(), problem))

    def _kinds_of_damage(self) -> list[str]:
        """Each reason once, with the first tar that it holds for and the number of others."""
        tars: dict[str, list[str]] = {}
        for name, reason in self._damaged.items():
            tars.setdefault(reason.removeprefix(f"{self._root}/{name}: "), []).append(name)
        return [
            f"{names[0]}{f' (as {len(names) - 1} others)' if len(names) > 1 else ''}: {reason}"
            for reason, names in tars.items()
        ]

    def _leave_out(self, name: str, reason: str) -> None:
        if self._strict:
            raise DamagedShard(f"{reason} (the run stops here because it is strict; finished shards are kept)")
        self._damaged[name] = reason


def _stat_each(source: Source, names: Sequence[str]) -> list[Stat | SourceError]:
    """State of each file, or its error: if a request for many fails, halves of it are asked until the file is found."""
    try:
        return [*source.stat_many(names)]
    except SourceError as error:
        if len(names) == 1:
            return [error]
        half = len(names) // 2
        return _stat_each(source, names[:half]) + _stat_each(source, names[half:])


def _is_current(piece: Piece, found: Stat) -> bool:
    return bool(found.version) and (piece.entry.bytes, piece.state) == found


def _name_of(root: str) -> str:
    return root.rstrip("/").rpartition("/")[2] or "dataset"
