"""The texts of a container that holds media only: captions by the id of their medium, from a file beside it.

Forms: LAVENDER's and VIOLET's {"train": {id: [captions]}, "val": ...}; {"train": [{"video", "caption"}], ...};
[{"video_id", "caption"}]; {id: captions}; SwinBERT's and LAVENDER's .caption.tsv (id<TAB>json of [{"caption"}]);
WebVid's and other tables (.csv, .jsonl, .parquet). Loaded whole: some 300 bytes a caption.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from shards.base import load_json as parse_json
from tools.annotations import check_file, load_json, table_records, tsv_lines
from tools.captions import TEXT, caption_entries, refuse_split
from tools.json_files.splits import pick_split, split_name, splits_of
from tools.record import BadLine, Record
from tools.rows import MALFORMED, NO_MEDIA, AnnotationError, BadRow

_ID = ("video_id", "videoid", "video", "image_id", "image", "vid", "id", "key")
_NAMES = (*TEXT, "name")
"""Names of the field with the caption; "name" is WebVid's."""


class TextsById:
    """The texts of one split, and which of them were asked for."""

    def __init__(self, path: Path, split: str | None, is_split_known: bool = False, pairs: Path | None = None) -> None:
        """is_split_known: the split chooses the container, too, so the file need not have several. pairs: says which
        captions of a .caption.tsv are taken, a line and a caption of it, both from 0 (SwinBERT's caption_linelist).

        Raises AnnotationError, OptionError.
        """
        check_file(path)
        self._path = path
        self._texts: dict[str, Any] = {}
        """A caption, or a list of them."""
        self._places: dict[str, str] = {}
        """Of entries that have one."""
        self._bad: list[BadRow] = []
        self._asked: set[str] = set()
        self._elsewhere: set[str] = set()
        value: Any = load_json(path) if path.suffix.lower() == ".json" else None
        if value is None and path.suffix.lower() == ".json":
            raise AnnotationError(f"{path}: expected a list or object of captions, found null; give the published file")
        groups = list(value.values()) if isinstance(value, dict) else []
        of_ids, of_entries = (
            bool(groups) and all(isinstance(group, dict) for group in groups),
            any(map(_has_entries, groups)),
        )
        if is_split_known and not of_ids and not of_entries:
            split = None
        if isinstance(value, dict) and (of_ids or of_entries):
            self._elsewhere = ids_of_others(path, value if of_ids else splits_of(value), split, _ID)
        if of_ids:
            self._texts = {str(key): texts for key, texts in pick_split(path, value, split).items()}
        elif groups and not of_entries:
            refuse_split(path, split)
            self._texts = value
        elif path.suffix.lower() == ".tsv":
            refuse_split(path, split)
            self._collect(_tsv_entries(path, pairs))
        elif value is None:
            refuse_split(path, split)
            self._collect(table_records(path, {"id": _ID, "caption": _NAMES}, suffixes=(".csv", ".jsonl", ".parquet")))
        else:
            self._collect(caption_entries(path, value, _ID, split))

    def __len__(self) -> int:
        return len(self._texts) + len(self._bad)

    def refuse_none(self) -> None:
        """Raise AnnotationError if no entry of the file can be read as captions of a medium."""
        if not self._texts:
            first = f" ({self._bad[0].reason})" if self._bad else ""
            raise AnnotationError(
                f'{self._path}: holds no captions by id{first}; expected [{{"video_id", "caption"}}] or another form '
                "that is read here: give the published file"
            )

    def captions(self, identifier: str) -> Any:
        """The caption or captions of a medium; None if the file has no entry for it."""
        if identifier not in self._texts:
            return None
        self._asked.add(identifier)
        return self._texts[identifier]

    def is_elsewhere(self, identifier: str) -> bool:
        """True for a medium that only another split of the file has."""
        return identifier in self._elsewhere and identifier not in self._texts

    def none_for(self, identifier: str) -> str:
        """The reason for a medium without an entry, and what to do."""
        return f"id {identifier!r} has no caption in {self._path.name}; check --split, or accept the loss"

    def left(self, container: Path) -> Iterator[BadRow]:
        """The entries that cannot be read, and those whose medium never came."""
        yield from self._bad
        for identifier in self._texts:
            if identifier not in self._asked:
                place = self._places.get(identifier, f"id {identifier!r}")
                what = f"no medium with the id {identifier!r} in {container.name}; give the container of this split"
                yield BadRow.at(place, self._path, NO_MEDIA, what)

    def _collect(self, records: Iterator[Record | BadRow]) -> None:
        for record in records:
            if isinstance(record, BadRow):
                self._bad.append(record)
                continue
            try:
                identifier = record.id(_ID)
            except BadLine as flaw:
                self._bad.append(BadRow.at(record.place, self._path, MALFORMED, str(flaw)))
                continue
            texts = record.value(_NAMES)
            self._places.setdefault(identifier, record.place)
            self._texts.setdefault(identifier, []).extend(texts if isinstance(texts, list) else [texts])


def ids_of_others(path: Path, splits: dict[str, Any], split: str | None, names: tuple[str, ...]) -> set[str]:
    """The ids in the splits of a file that are not `split`. names: of the field with the id. Raises OptionError."""
    if not splits:
        return set()
    own, found = split_name(path, list(splits), split), set()
    for name, entries in splits.items():
        if name == own:
            continue
        if isinstance(entries, dict):
            found |= set(map(str, entries))
            continue
        for entry in entries:
            with suppress(BadLine):
                found.add(Record(name, entry if isinstance(entry, dict) else {}).id(names))
    return found


def _tsv_entries(path: Path, pairs: Path | None) -> Iterator[Record | BadRow]:
    """Records of lines with an id and the json of a list of captions."""
    bad: list[BadRow] = []
    taken = None if pairs is None else _taken(pairs, bad)
    for number, fields in tsv_lines(path):
        place = f"line {number}"
        listed = [] if taken is None else taken.pop(number - 1, [])
        if taken is not None and not listed:
            continue
        try:
            if len(fields) != 2:
                raise ValueError(f"{len(fields)} columns")
            entries = parse_json(fields[1])
            captions = [entry["caption"] for entry in entries]
        except (ValueError, TypeError, LookupError) as error:
            what = f'expected id, tab, [{{"caption": text}}, ...]; found {error!r}; correct the line'
            yield BadRow.at(place, path, MALFORMED, what)
            continue
        for at, caption in listed:
            if caption >= len(captions):
                what = f"caption {caption} of line {number - 1}, which has {len(captions)} in {path.name}; correct it"
                bad.append(BadRow.at(f"line {at}", pairs or path, MALFORMED, what))
        chosen = captions if taken is None else [captions[n] for _, n in listed if n < len(captions)]
        if chosen or taken is None:
            yield Record(place, {"id": fields[0], "caption": chosen})
    yield from bad
    for line, listed in (taken or {}).items():
        what = f"line {line}, which {path.name} does not have; give the two files of one split"
        yield BadRow.at(f"line {listed[0][0]}", pairs or path, MALFORMED, what)


def _taken(pairs: Path, bad: list[BadRow]) -> dict[int, list[tuple[int, int]]]:
    """Line of the captions, from 0 -> (line of `pairs`, number of the caption) of those that are taken; lines that are
    no pair are added to `bad`."""
    taken: dict[int, list[tuple[int, int]]] = {}
    for number, fields in tsv_lines(pairs):
        if len(fields) == 2 and all(field.isascii() and field.isdecimal() and len(field) < 16 for field in fields):
            taken.setdefault(int(fields[0]), []).append((number, int(fields[1])))
        elif any(field.strip() for field in fields):
            what = (
                f"expected numbers of a line and a caption, a tab between; found {' '.join(fields)[:40]!r}; correct it"
            )
            bad.append(BadRow.at(f"line {number}", pairs, MALFORMED, what))
    return taken


def _has_entries(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(entry, dict) for entry in value)
