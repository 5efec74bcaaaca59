"""The texts of a container that holds media only: captions by the id of their medium, from a file beside it.

Forms: LAVENDER's and VIOLET's {"train": {id: [captions]}, "val": ...}; {"train": [{"video", "caption"}], ...};
[{"video_id", "caption"}]; {id: captions}; SwinBERT's and LAVENDER's .caption.tsv (id<TAB>json of [{"caption"}]);
WebVid's and other tables (.csv, .jsonl, .parquet). Loaded whole: some 300 bytes a caption.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shards.base import load_json as parse_json
from tools.annotations import check_file, load_json, table_records, tsv_lines
from tools.captions import TEXT, caption_entries, refuse_split
from tools.json_files.splits import pick_split
from tools.record import BadLine, Record
from tools.rows import MALFORMED, NO_MEDIA, BadRow

_ID = ("video_id", "videoid", "video", "image_id", "image", "vid", "id", "key")
_NAMES = (*TEXT, "name")
"""Names of the field with the caption; "name" is WebVid's."""


class TextsById:
    """The texts of one split, and which of them were asked for."""

    def __init__(self, path: Path, split: str | None, is_split_known: bool = False) -> None:
        """is_split_known: the split chooses the container, too, so the file need not have several.

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
        value: Any = load_json(path) if path.suffix.lower() == ".json" else None
        groups = list(value.values()) if isinstance(value, dict) else []
        of_ids, of_entries = (
            bool(groups) and all(isinstance(group, dict) for group in groups),
            any(map(_has_entries, groups)),
        )
        if is_split_known and not of_ids and not of_entries:
            split = None
        if of_ids:
            self._texts = {str(key): texts for key, texts in pick_split(path, value, split).items()}
        elif groups and not of_entries:
            refuse_split(path, split)
            self._texts = value
        elif path.suffix.lower() == ".tsv":
            refuse_split(path, split)
            self._collect(_tsv_entries(path))
        elif value is None:
            refuse_split(path, split)
            self._collect(table_records(path, {"id": _ID, "caption": _NAMES}, suffixes=(".csv", ".jsonl", ".parquet")))
        else:
            self._collect(caption_entries(path, value, _ID, split))

    def __len__(self) -> int:
        return len(self._texts) + len(self._bad)

    def captions(self, identifier: str) -> Any:
        """The caption or captions of a medium; None if the file has no entry for it."""
        if identifier not in self._texts:
            return None
        self._asked.add(identifier)
        return self._texts[identifier]

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


def _tsv_entries(path: Path) -> Iterator[Record | BadRow]:
    """Records of lines with an id and the json of a list of captions."""
    for number, fields in tsv_lines(path):
        place = f"line {number}"
        try:
            if len(fields) != 2:
                raise ValueError(f"{len(fields)} columns")
            entries = parse_json(fields[1])
            captions = [entry["caption"] for entry in entries]
        except (ValueError, TypeError, LookupError) as error:
            what = f'expected id, tab, [{{"caption": text}}, ...]; found {error!r}; correct the line'
            yield BadRow.at(place, path, MALFORMED, what)
            continue
        yield Record(place, {"id": fields[0], "caption": captions})


def _has_entries(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(entry, dict) for entry in value)
