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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from shards.base.errors import DatasetError, MissingFile, PrintableError, SourceError, UsageError, WrongPlace
from shards.base.json_text import load_json
from shards.base.processes import end_unguarded_import, process_pool
from shards.base.redact import shown
from shards.dataset.index.files import DATASET_FILE, FORMAT_VERSION
from shards.dataset.index.index import Index
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.write_index import rows_table
from shards.dataset.members.rules import UNWRITTEN
from shards.dataset.tars.foreign import ALL_TARS, ENERGON, is_energon, kind_of_folder, tars_among
from shards.dataset.tars.reasons import Reasons
from shards.dataset.tars.tar import TarError, scan_all, scan_far
from shards.dataset.tars.tar_samples import WALK, Looks, ShardSamples, read_samples, stream_samples
from shards.dataset.writing.publish import Header, Piece, is_own, pieces_of, publish_index
from shards.dataset.writing.target import UNFINISHED, Target, open_target
from shards.storage.addresses import checked, is_remote, local_path, plain_name, split_query
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.source import Source, Stat, address_of, check_name

if TYPE_CHECKING:
    import pyarrow as pa

_RUN_FILE = "indexing.json"


class PatternError(UsageError, ValueError):
    """A pattern that names no tars of one dataset."""


class DamagedShard(PrintableError, ValueError):
    """A tar that cannot be indexed, in a run that is to stop then."""


@dataclass(slots=True)
class IndexReport:
    """What a run did; num_groups == num_samples + num_quarantined over the shards that are indexed."""

    name: str
    out: str
    root: str
    num_shards: int = 0
    num_scanned: int = 0
    """Of the shards, those that this run looked into; the others were known."""
    num_gone: int = 0
    """Shards of the index before that are not there any more."""
    num_samples: int = 0
    num_records: int = 0
    """-1: not known."""
    num_quarantined: int = 0
    bytes: int = 0
    """Of the shards together."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Shards that were left out, with the reason."""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    """The commonest of the quarantine: count, reason, shard, member (the last three of the first such sample)."""
    notes: dict[str, int] = field(default_factory=dict)
    """What is to be said about how many samples of the shards that were scanned."""
    found: str = ""
    """What the folder is beside a folder of tars."""

    @property
    def share_quarantined(self) -> float:
        """Of all samples, 0 to 1."""
        return self.num_quarantined / max(1, self.num_samples + self.num_quarantined)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Task(NamedTuple):
    root: str
    name: str
    expected: Stat
    looks: Looks
    part: str
    """Local path to write the rows to."""
    roots: tuple[str, ...] = ()


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
    if looks.media and not looks.checksums:
        raise PatternError("media facts need the bytes of the media: leave out --headers, or --media")
    if jobs > 1:
        end_unguarded_import()
    root, names = find_tars(pattern, roots)
    target = open_target(root if out is None else normal_place(out))
    try:
        beside = target.address == root
        if beside:
            _check_whole(pattern, root)
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
        return done
    finally:
        target.release()


def find_tars(pattern: str, roots: Sequence[str] = ()) -> tuple[str, list[str]]:
    """(folder or URL prefix, names inside it, sorted) of the tars that a pattern names. Raises PatternError."""
    from braceexpand import braceexpand

    base, query = split_query(checked(pattern))
    pattern = shown(base)
    try:
        paths = [path if is_remote(path) else local_path(path) for path in braceexpand(base)]
    except ValueError as error:
        raise PatternError(f"{pattern}: braces do not close ({error})") from error
    if len(paths) == 1 and not paths[0].endswith(".tar") and not _is_glob(_inside(paths[0])):
        paths = [paths[0].rstrip("/") + "/*.tar"]
    folders = {path.rpartition("/")[0] for path in paths}
    if len(folders) != 1 or _is_glob(*map(_inside, folders)):
        raise PatternError(
            f"{pattern}: names several folders, but the tars of one dataset lie in one; index each folder and blend "
            "the datasets"
        )
    folder = folders.pop() or ("" if paths[0].startswith("/") else ".")
    root = normal_place(folder + (f"?{query}" if query else ""))
    if not is_remote(root) and not os.path.isdir(root):
        raise PatternError(f"{pattern}: not found; there is no folder {root}, check the path")
    names = {plain_name(root, path.rpartition("/")[2]) for path in paths}
    globs = sorted(name for name in names if _is_glob(name))
    source = open_source(root, roots)
    if globs:
        try:
            there = all_names(source)
        except MissingFile as error:
            raise PatternError(str(error)) from error
        names = names.difference(globs).union(*(tars_among(there, glob) for glob in globs))
    if not names:
        found = kind_of_folder(source)
        raise PatternError(f"{pattern}: no tar found; {found or 'check the path (names should end in .tar)'}")
    return root, sorted(names)


def all_names(source: Source) -> list[str]:
    """Names of the files of a folder, and of what is there under a name and is no file: links that lead nowhere, ..."""
    names = source.list()
    return sorted({*names, *os.listdir(source.url)}) if isinstance(source, LocalSource) else names


def names_of(pattern: str) -> list[str]:
    """What the tars of a pattern are called in their folder; globs as they stand."""
    from braceexpand import braceexpand

    try:
        paths = list(braceexpand(pattern))
    except ValueError:
        paths = [pattern]
    names = [path.rpartition("/")[2] for path in paths]
    return names if len(names) > 1 or names[0].endswith(".tar") or _is_glob(names[0]) else [ALL_TARS]


def _check_whole(pattern: str, root: str) -> None:
    """Refuse to put an index of one tar where that of the whole folder belongs. Raises PatternError."""
    base, _ = split_query(pattern)
    if not base.endswith(".tar") or _is_glob(base) or "{" in base:
        return
    others = len(open_source(root).list(".tar")) - 1
    if others > 0:
        raise PatternError(
            f"{pattern}: is one tar of a folder with {others} more, and the index beside them is of all; to index all: "
            f"python -m shards index {root}; this one alone: python -m shards index {pattern} --out FOLDER"
        )


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
        tasks: list[_Task] = []
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
                part = self._target.scratch(_part_name(name))
                tasks.append(_Task(self._root, name, state, self._looks, part, self._roots))
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
                piece = _read_part(target.unfinished, name)
                if piece is not None:
                    found[piece.entry.name] = piece
        return found

    def _scan(self, tasks: list[_Task]) -> Iterator[tuple[str, Piece]]:
        total = len(tasks)
        # Not the source that looked at leftover parts: it may hold one open that is replaced now.
        unfinished = open_source(address_of(self._target.unfinished))
        for done, (task, problem) in enumerate(_work(tasks, min(self._jobs, total), self._source), start=1):
            if problem is not None:
                self._leave_out(task.name, problem)
            else:
                name = _part_name(task.name)
                self._target.publish(task.part, f"{UNFINISHED}/{name}", sync=False)
                piece = _read_part(unfinished, name)
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


def report(
    header: Header,
    out: str,
    root: str,
    pieces: Sequence[Piece],
    num_scanned: int,
    damaged: Mapping[str, str],
    num_gone: int,
    reasons: Reasons,
) -> IndexReport:
    """Counts over the pieces of an index."""
    notes: Counter[str] = Counter()
    for piece in pieces:
        notes.update(piece.notes)
    records = [piece.entry.num_elements for piece in pieces]
    return IndexReport(
        name=header.name,
        out=out,
        root=root,
        num_shards=len(pieces),
        num_scanned=num_scanned,
        num_gone=num_gone,
        num_samples=sum(piece.entry.num_samples for piece in pieces),
        num_records=-1 if -1 in records else sum(records),
        num_quarantined=sum(piece.num_quarantined for piece in pieces),
        bytes=sum(piece.entry.bytes for piece in pieces),
        damaged=dict(damaged),
        reasons=reasons.top(),
        notes=dict(notes.most_common()),
    )


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


def _work(tasks: Sequence[_Task], jobs: int, source: Source) -> Iterator[tuple[_Task, str | None]]:
    """(task, problem or None) as they are done. source: of the tars, for this process."""
    if jobs <= 1:
        yield from ((task, _index_shard(task, source)) for task in tasks)
        return
    waiting = iter(tasks)
    running: dict[Future[str | None], _Task] = {}
    try:
        with process_pool(jobs) as pool:
            while True:
                while len(running) < 2 * jobs and (task := next(waiting, None)) is not None:
                    running[pool.submit(_index_in_child, task)] = task
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running[future], future.result()
                    del running[future]
    except BrokenProcessPool as error:
        names = ", ".join(sorted(task.name for task in running.values()))
        raise DamagedShard(
            f"a process died while it read one of {names} (out of memory, or a medium that crashes its decoder); "
            "run it again with --jobs 1 to see which"
        ) from error


@lru_cache(maxsize=1)
def _source_of_child(root: str, roots: tuple[str, ...]) -> Source:
    """One for all shards: a client takes a while to make."""
    return open_source(root, roots)


def _index_in_child(task: _Task) -> str | None:
    return _index_shard(task, _source_of_child(task.root, task.roots))


def _index_shard(task: _Task, source: Source) -> str | None:
    """Write the part file of one shard; returns what is wrong with the shard instead, if something is."""
    path = f"{source.url}/{task.name}"
    try:
        found = _look(source, task)
        now = source.stat(task.name)
    except TarError as error:
        return str(error)
    except OSError as error:
        return str(error) if isinstance(error, SourceError) else f"{path}: cannot be read ({error.strerror or error})"
    if now != task.expected:
        return f"{path}: changed while it was read; index it again when nobody writes there"
    num_records = [row.num_records for row in found.rows]
    num_elements = -1 if -1 in num_records else sum(num_records)
    entry = ShardEntry(task.name, len(found.rows), num_elements, now.size, found.checksum)
    about = json.dumps([list(entry), now.version, found.quarantined, found.notes]).encode()
    table = rows_table(0, found.rows, task.looks.media).replace_schema_metadata({"part": about})
    os.makedirs(os.path.dirname(task.part), exist_ok=True)
    _write_part(task.part, table)
    return None


def _look(source: Source, task: _Task) -> ShardSamples:
    if isinstance(source, LocalSource):
        path = os.path.join(source.url, task.name)
        return read_samples(scan_all(path), path, task.looks)
    read, num_bytes, where = partial(source.read, task.name), task.expected.size, f"{source.url}/{task.name}"
    if task.looks.checksums:
        return stream_samples(read, num_bytes, where, task.looks)
    return read_samples(scan_far(lambda length, offset: read(offset, length), num_bytes, where), "", task.looks)


def _part_name(shard: str) -> str:
    import xxhash

    return f"{xxhash.xxh3_64_hexdigest(shard.encode(errors='surrogateescape'))}.arrow"


def _write_part(path: str, table: pa.Table) -> None:
    # Arrow's own format: a parquet file of a few rows takes many times longer to write and to read.
    import pyarrow as pa

    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as file:
        file.write_table(table)


def _read_part(unfinished: Source, name: str) -> Piece | None:
    """A part file; None if it is not whole (the machine stopped), it is then made again."""
    import pyarrow as pa

    def read_part() -> Any:
        return pa.ipc.open_file(pa.BufferReader(unfinished.read(name))).read_all()

    def about(part: Any) -> Any:
        return json.loads(part.schema.metadata[b"part"])

    try:
        # With all rows: blocks of zeros may follow a header that is whole.
        entry, state, quarantined, notes = about(read_part())
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None
    return Piece(ShardEntry(*entry), state, len(quarantined), read_part, lambda: about(read_part())[2], notes)


# ---------------------------------------------------------------- places and files


def _is_current(piece: Piece, found: Stat) -> bool:
    return bool(found.version) and (piece.entry.bytes, piece.state) == found


def _is_glob(*texts: str) -> bool:
    return any(c in text for text in texts for c in "*?[")


def normal_place(place: str) -> str:
    """One spelling for a place: an absolute path, or an address without a slash at its end. Raises AddressError."""
    place = checked(place)
    if not is_remote(place):
        return os.path.abspath(local_path(place))
    base, query = split_query(place)
    return base.rstrip("/") + (f"?{query}" if query else "")


def _inside(address: str) -> str:
    """What follows the host, which may have brackets."""
    return address.partition("://")[2].partition("/")[2] if is_remote(address) else address


def _name_of(root: str) -> str:
    return root.rstrip("/").rpartition("/")[2] or "dataset"
