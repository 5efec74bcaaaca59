"""WebVid (2.5M and 10M): one video with one caption; reads every form in which the annotations are distributed.

- results_2M_train.csv, results_10M_train.csv: videoid,contentUrl,duration,page_dir,name (the authors' release; columns
  in any order), and video2dataset's copy with page_idx (iejMac/video2dataset tests/test_files/test_webvid.csv).
- ALPRO's and MCG's train.pkl, val.pkl: a pickled data frame with video_id,text,page_dir, read without running anything
  (tools/pickles/); or a .parquet, .jsonl or .csv of it. A jsonl text may be a list of captions.
- VIOLET's txt_webvid2.5m.json: {"train": {id: [captions]}, "val": ...} (tsujuifu/pytorch_violet _data).
- T2VLP's frozen_train_labels.json: [{"video_id", "caption"}]; the captions of a video that stands there several times
  are one sample.

A video is looked up by: the id map; PAGE_DIR/ID.EXT; ID.EXT; the contentUrl's path or file name, all under --media.
Captions are kept verbatim. ALPRO's limit of 80 characters belongs to training and is not applied here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import Columns, about_records, check_file, json_records, load_value, table_records
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split
from tools.json_files.splits import pick_split
from tools.lookup import MediaFolder, MediaNotFound
from tools.record import Record
from tools.rows import (
    MALFORMED,
    NO_MEDIA,
    NO_TEXT,
    AnnotationError,
    BadRow,
    CountedRows,
    OptionError,
    Row,
    caption_records,
    make_key,
)

ID = ("videoid", "video_id")
CAPTION = ("name", "text", "caption")
PAGE_DIR = ("page_dir",)
URL = ("contentUrl",)
DURATION = ("duration",)
REQUIRED: Columns = {"id": ID, "caption": CAPTION}
OPTIONAL: Columns = {"page_dir": PAGE_DIR, "url": URL, "duration": DURATION}


def rows(annotations: AnnotationsFile, media: MediaPath, id_map: IdMap = None, split: Split = None) -> CountedRows:
    """WebVid and sets of its form: videos with captions.

    Give a .csv, .jsonl, .parquet or pickled data frame with columns of ids and captions, or VIOLET's or T2VLP's .json.
    """
    check_file(annotations)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    if annotations.suffix.lower() == ".json":
        value = load_value(annotations)
        if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            _refuse_split(annotations, split)
            entries = _by_video(annotations, value)
            return CountedRows(_rows(iter(entries), annotations, folder), len(entries))
        texts = _violet_texts(annotations, value, split)
        records = (Record(f"id {key!r}", {"videoid": key, "name": text}) for key, text in texts.items())
        return CountedRows((_row(record, annotations, folder) for record in records), len(texts))
    _refuse_split(annotations, split)
    stream = table_records(annotations, REQUIRED, OPTIONAL)
    return CountedRows(_rows(stream, annotations, folder), about_records(annotations))


def _refuse_split(annotations: Path, split: str | None) -> None:
    if split is not None:
        raise OptionError(f"{annotations}: --split is for VIOLET's json; this file is one split by itself")


def _violet_texts(annotations: Path, splits: Any, split: str | None) -> dict[str, Any]:
    if not isinstance(splits, dict) or not splits:
        named = {"list": "a list without entries", "dict": "an empty object", "NoneType": "null"}
        found = named.get(type(splits).__name__, type(splits).__name__)
        forms = 'VIOLET\'s {"train": {id: [captions]}} or T2VLP\'s [{"video_id", "caption"}]'
        raise AnnotationError(f"{annotations}: expected {forms}, found {found}; give the published file")
    return pick_split(annotations, splits, split)


def _by_video(annotations: Path, entries: list[Any]) -> list[Record | BadRow]:
    """Records of a list of captions, each with all that the list has for its video, at the place of the first."""
    records: list[Record | BadRow] = []
    captions: dict[str, list[Any]] = {}
    for entry in json_records(annotations, entries, "caption"):
        if isinstance(entry, BadRow):
            records.append(entry)
            continue
        identifier, texts = _plain(entry.value(ID)), entry.value(CAPTION)
        if not identifier or identifier not in captions:
            captions[identifier] = []
            records.append(Record(entry.place, entry.values | {"name": captions[identifier]}))
        captions[identifier].extend(texts if isinstance(texts, list) else [texts])
    return records


def _rows(stream: Iterator[Record | BadRow], annotations: Path, folder: MediaFolder) -> Iterator[Row | BadRow]:
    for record in stream:
        yield record if isinstance(record, BadRow) else _row(record, annotations, folder)


def _row(record: Record, annotations: Path, folder: MediaFolder) -> Row | BadRow:
    place = record.place
    identifier = _plain(record.value(ID))
    if not identifier:
        return BadRow.at(place, annotations, MALFORMED, "no video id; every row needs one")
    records, dropped = caption_records(record.value(CAPTION))
    if not records:
        what = f"no usable caption for video {identifier!r} ({'; '.join(dropped)}); write one or accept the loss"
        return BadRow.at(place, annotations, NO_TEXT, what)
    page_dir, url = _plain(record.value(PAGE_DIR)), _plain(record.value(URL))
    stems = [f"{page_dir}/{identifier}"] if page_dir not in ("", "None", "nan") else []
    try:
        path = folder.find([identifier], [*stems, identifier], url)
    except MediaNotFound as error:
        return BadRow.at(place, annotations, NO_MEDIA, f"video {identifier!r}: {error}")
    meta = {"id": identifier, "page_dir": page_dir, "url": url, "duration": _plain(record.value(DURATION))}
    meta = {name: value for name, value in meta.items() if value}
    return Row(place, make_key(identifier), records, meta, path, dropped=tuple(f"{place}: {why}" for why in dropped))


def _plain(value: Any) -> str:
    """A cell as text; pandas writes ids as integers, or as floats in a column with gaps."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
