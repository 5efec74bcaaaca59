"""Index tars made elsewhere: `python -m shards index` as a function.

Promises:
- Input is a folder (its *.tar, also in capitals; compressed ones are left out and reported), a brace pattern or a glob,
  local or the URL of a store; the tars of one dataset lie in one folder. They are read and never changed.
- Samples in the tars = indexed + quarantined, shard by shard. A tar that is damaged, missing or changes while it is
  read is left out and reported, or stops the run (`strict`); nothing is left out silently.
- Only tars that are new or whose size or state (time, etag) changed are read; those that are gone leave the index.
- Crash-safe: finished shards are kept in OUT/unfinished/ and taken up by the next run; an older index stays valid until
  the new one is put in place (publish.py). One run at a time in a local folder.
- Shards are read by `jobs` processes, which die with the run.
Gives up: noticing a tar that was changed while its size and time stayed the same (`verify` reads every byte), and tars
in several folders (index each and blend them). A remote tar is streamed once and never copied: memory is one medium and
24 MiB for each job; where only headers are looked at, members of more than 4 MiB are jumped over.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence

from shards.base.errors import DatasetError, MissingFile, SourceError, WrongPlace
from shards.base.json_text import load_json
from shards.base.processes import end_unguarded_import
from shards.base.redact import shown
from shards.dataset.index.files import DATASET_FILE, FORMAT_VERSION
from shards.dataset.index.index import Index
from shards.dataset.indexing.index_report import IndexReport, report
from shards.dataset.indexing.publish import Header, Piece, is_own, pieces_of, publish_index
from shards.dataset.indexing.tar_jobs import DamagedShard, run_tasks
from shards.dataset.indexing.tar_record import TarTask, read_record, record_name
from shards.dataset.members.rules import UNWRITTEN
from shards.dataset.tars.foreign import ENERGON, is_energon
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.pattern import PatternError, check_whole, find_tars, normal_place
from shards.dataset.tars.tar_samples import WALK
from shards.dataset.writing.open_target import open_target
from shards.dataset.writing.target import UNFINISHED, Target
from shards.storage.open import open_source
from shards.storage.source import Source, Stat, address_of, check_name

_RUN_FILE = "indexing.json"


def index_tars(
    pattern: str,
    out: str | None = None,
    name: str | None = None,
    looks: Looks = Looks(),  # noqa: B008 - immutable
    jobs: int = 1,
    strict: bool = False,
    on_shard: Callable[[int, int], None] | None = None,
    roots: Sequence[str] = (),
) -> IndexReport:
    """Index the tars that a pattern names, and write the index to `out` (None: beside them).

    name: of the dataset (None: of the folder). on_shard(shards done, shards to do) is called after each shard. roots:
    where a web server may redirect to beside itself.
    Raises PatternError, DamagedShard (only if strict), DatasetError when `out` holds something else, WriteError,
    SourceError, CannotStart. After an error the finished shards stay for the next run.
    """
    begin = time.monotonic()
    if looks.media and not looks.checksums:
        raise PatternError("media facts need the bytes of the media: leave out --headers, or --media")
    if jobs > 1:
        end_unguarded_import()
    root, names = find_tars(pattern, roots)
    target = open_target(root if out is None else normal_place(out))
    try:
        beside = target.address == root
        if beside:
            check_whole(pattern, root)
        header = Header(
            name or _name_of(shown(root)),
            None if beside else shown(root),
            looks.checksums,
            looks.media,
            {},
            looks.rules,
        )
        done = _Run(target, root, header, looks, jobs, strict, on_shard, roots).run(names, shown(pattern))
        done.found = ENERGON if is_energon(root) else ""
        done.seconds = time.monotonic() - begin
        return done
    finally:
        target.release()


class _Run:
    """One run of the indexer over one dataset."""

    def __init__(
        self,
        target: Target,
        root: str,
        header: Header,
        looks: Looks,
        jobs: int,
        strict: bool,
        on_shard: Callable[[int, int], None] | None,
        roots: Sequence[str],
    ) -> None:
        self._target, self._root, self._header = target, root, header
        self._looks, self._jobs, self._strict = looks, max(1, jobs), strict
        self._on_shard = on_shard or (lambda done, total: None)
        self._damaged: dict[str, str] = {}
        self._notes: dict[str, int] = {}
        self._reuse = True
        self._source, self._roots = open_source(root, roots), tuple(roots)

    def run(self, names: Sequence[str], pattern: str) -> IndexReport:
        old = self._old_pieces() if self._reuse else {}
        parts = self._take_up()
        pieces: dict[str, Piece] = {}
        tasks: list[TarTask] = []
        good: list[str] = []
        for name in names:
            try:
                check_name(name.encode().decode())  # a name that is not UTF-8 cannot stand in an index
                good.append(name)
            except ValueError as error:
                self._leave_out(ascii(name), f"{name!a} cannot be the name of a shard ({error}); rename it")
        missing = 0
        for name, state in zip(good, _stat_each(self._source, good), strict=True):
            if isinstance(state, SourceError):
                missing += isinstance(state, MissingFile) and not os.path.islink(f"{self._root}/{name}")
                self._leave_out(name, str(state))
                continue
            known = next((p[name] for p in (old, parts) if name in p and _is_current(p[name], state)), None)
            if known is not None:
                pieces[name] = known
            else:
                part = self._target.scratch(record_name(name))
                tasks.append(TarTask(self._root, name, state, self._looks, part, self._roots))
        num_known, gone = len(pieces), old.keys() - set(names)
        pieces.update(self._scan(tasks))
        if missing == len(names):
            raise PatternError(f"{pattern}: not found; names {missing} tars, and none of them is in {self._source.url}")
        if not pieces:
            kinds = self._kinds_of_damage()
            head = f"{pattern}: none of {len(names)} tars can be indexed: "
            raise DamagedShard(*([head + kinds[0]] if len(kinds) == 1 else [head, *kinds[:5]]))
        in_order = [pieces[name] for name in sorted(pieces)]
        provenance = {"pattern": pattern, "left_out": dict(sorted(self._damaged.items()))}
        try:
            reasons = publish_index(self._target, self._header._replace(provenance=provenance), in_order)
        except DatasetError:
            if not self._reuse or old.keys().isdisjoint(pieces):
                raise
            self._reuse = False  # the index before is damaged where only reading it shows: every tar is looked at
            return self.run(names, pattern)
        self._target.clear()
        num_scanned = len(pieces) - num_known
        url, root = self._target.url, self._source.url
        done = report(self._header, url, root, in_order, num_scanned, self._damaged, len(gone), reasons)
        done.notes |= self._notes
        return done

    def _old_pieces(self) -> dict[str, Piece]:
        """What a finished index here says, if it looked at the same things at the same place."""
        target = self._target
        files = target.list()
        if "conversion.json" in target.list_unfinished():
            raise WrongPlace(f"{target.url}: holds an unfinished conversion; finish it, it makes its own index")
        if DATASET_FILE not in files:
            return {}
        check_replaceable(target)
        try:
            opened = Index.open(target.source, [self._root])
            provenance = opened.dataset["provenance"]
            looked = provenance["headers"], provenance["media"], provenance.get("walk")
            same = looked == (not self._looks.checksums, self._looks.media, WALK)
            if opened.rules not in (self._looks.rules, UNWRITTEN):
                before = opened.rules.options() or "none of these options"
                note = f"were in the index before, which was made with {before}; this one is made with other options"
                self._notes[note] = int(opened.dataset["num_samples"])
            same = same and opened.rules == self._looks.rules and opened.dataset.get("root") == self._header.root
            return pieces_of(opened) if same else {}
        except (DatasetError, KeyError):
            return {}  # stopped while the index was put in place; every tar is looked at again

    def _take_up(self) -> dict[str, Piece]:
        """The shards that a run before this one finished, if it looked at the same things at the same place."""
        target = self._target
        looks = {**self._looks._asdict(), "rules": self._looks.rules.model_dump(mode="json"), "walk": WALK}
        settings = {"root": shown(self._root), **looks, "format_version": FORMAT_VERSION}
        leftover = target.list_unfinished()
        try:
            before = load_json(target.unfinished.read(_RUN_FILE)) if _RUN_FILE in leftover else None
        except ValueError:
            before = None
        if before != settings:
            target.clear()
            target.put(f"{UNFINISHED}/{_RUN_FILE}", json.dumps(settings).encode())
            return {}
        found = {}
        for name in leftover:
            if name.endswith(".arrow"):
                piece = read_record(target.unfinished, name)
                if piece is not None:
                    found[piece.entry.name] = piece
        return found

    def _scan(self, tasks: list[TarTask]) -> Iterator[tuple[str, Piece]]:
        total = len(tasks)
        # Not the source that looked at leftover parts: it may hold one open that is replaced now.
        unfinished = open_source(address_of(self._target.unfinished))
        for done, (task, problem) in enumerate(run_tasks(tasks, min(self._jobs, total), self._source), start=1):
            if problem is not None:
                self._leave_out(task.name, problem)
            else:
                name = record_name(task.name)
                self._target.publish(task.part, f"{UNFINISHED}/{name}", sync=False)
                piece = read_record(unfinished, name)
                assert piece is not None, task
                yield task.name, piece
            self._on_shard(done, total)

    def _kinds_of_damage(self) -> list[str]:
        """The reasons, each once, with the first tar that it holds for and how many others."""
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


def check_replaceable(target: Target) -> None:
    """Refuse to write over a dataset that was not made by indexing. Raises DatasetError, WrongPlace."""
    path = f"{target.url}/{DATASET_FILE}"
    try:
        content = load_json(target.source.read(DATASET_FILE))
    except ValueError as error:
        raise DatasetError(f"{path}: not valid json ({error}); remove it to index these tars") from error
    if not isinstance(content, dict) or not is_own(content):
        raise WrongPlace(
            f"{path}: the tars here were written with an index of their own, which knows more; "
            "give another place with --out to index them there"
        )


def _stat_each(source: Source, names: Sequence[str]) -> list[Stat | SourceError]:
    """Of many files what the store says, or why it does not; in halves where one of them is to blame."""
    try:
        return [*source.stat_many(names)]
    except SourceError as error:
        if len(names) == 1:
            return [error]
        half = len(names) // 2
        return _stat_each(source, names[:half]) + _stat_each(source, names[half:])


# ---------------------------------------------------------------- one shard, in any process


# ---------------------------------------------------------------- places and files


def _is_current(piece: Piece, found: Stat) -> bool:
    return bool(found.version) and (piece.entry.bytes, piece.state) == found


def _name_of(root: str) -> str:
    return root.rstrip("/").rpartition("/")[2] or "dataset"
