"""HowTo100M: instructional videos with what is said in them and when, by machine transcription.

- caption.json, raw_caption.json: {video: {"start": [seconds], "end": [...], "text": [...]}} (the authors' release; read
  by antoine77340/howto100m), gigabytes in one object, which is read entry by entry.
- sentencified_htm_1200k.json, sentencified_htm_370k.json: the same form, joined to sentences (TAN; read by Norton).
- htm_align.json: {video: [[alignable 0 or 1, start, end, text], ...]} (TAN's HTM-Align, 80 videos, for test); a
  record has "alignable".
- any of them as a pickle, which is loaded whole.

--videos takes the videos of a list: HowTo100M_v1.csv, with video_id,category_1,category_2,rank,task_id, which then
stand in the json of a sample; or an id per line, as Norton's how2_s3d_val.lst. Of the real files none was at hand.

--text segments (the default) is a record for each caption, with "start" and "end" in seconds of the video; --text
paragraph is one record per video. A loader shows the whole video, whatever the times (tools/captions.py). A video is
looked up as VIDEO.EXT. Features (a .npy per video, of S3D or MIL-NCE) are no media here: a folder of them is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import PICKLES, check_file, load_value, table_records
from tools.arguments import AnnotationsFile, CaptionText, IdMap, MediaPath, VideoListFile
from tools.by_video import LISTED, VideoList, rows_by_video
from tools.captions import Caption, read_segment, whole_text
from tools.json_files.objects import object_entries
from tools.lookup import MediaFolder
from tools.record import Record
from tools.rows import MALFORMED, NO_TEXT, AnnotationError, BadRow, CountedRows, OptionError, Row

VIDEO = ("video_id",)
FACTS = ("category_1", "category_2", "rank", "task_id")
FEATURES = (".npy", ".npz", ".pt", ".pth", ".pth.tar")
NUM_LOOKED_AT = 1000
"""Files of the media folder by which videos are told from features."""


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    videos: VideoListFile = None,
    text: CaptionText = "segments",
    id_map: IdMap = None,
) -> CountedRows:
    """HowTo100M: instructional videos with their speech.

    Give caption.json, raw_caption.json, sentencified_htm_1200k.json or htm_align.json, the folder of the videos, and
    --videos HowTo100M_v1.csv for a part of them. One sample per video.
    """
    check_file(annotations)
    suffix = annotations.suffix.lower()
    if suffix not in (".json", *PICKLES):
        raise AnnotationError(
            f"{annotations}: captions are in caption.json, raw_caption.json or sentencified_htm_1200k.json; give one "
            "of them, and a list of videos as --videos"
        )
    whole = whole_text(text)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    _refuse_features(media)
    only = None if videos is None else VideoList.read(videos)
    facts = {} if videos is None else _facts(videos)

    def made() -> Iterator[Row | BadRow]:
        left = {} if only is None else dict(only.places)
        for video, entry in _entries(annotations):
            if only is not None and video not in only.places:
                continue
            left.pop(video, None)
            records = _captions(annotations, video, entry)
            meta = partial(_known, facts)
            yield from rows_by_video(records, annotations, folder, _read, "caption", whole=whole, meta=meta)
        for video, place in left.items():
            what = (
                f"no captions of video {video!r} in {annotations.name}; give the file that has them, or accept the loss"
            )
            yield BadRow.at(place, only.path if only else annotations, NO_TEXT, what)
        if only is not None:
            yield from only.bad

    return CountedRows(made(), 0 if only is None else len(only.places))


def _refuse_features(media: Path) -> None:
    """Raise OptionError for a folder that holds features and no videos."""
    with os.scandir(media) as entries:
        names = [entry.name.lower() for entry in islice(entries, NUM_LOOKED_AT)]
    features = [name for name in names if name.endswith(FEATURES)]
    if features and not any(name.endswith(tuple(f".{ext}" for ext in VIDEO_EXTENSIONS)) for name in names):
        raise OptionError(
            f"{media}: holds features ({features[0]}), and shards hold no features yet: captions are built over videos "
            f"only; give the folder of the videos (.{', .'.join(VIDEO_EXTENSIONS[:3])}, ...)"
        )


def _facts(videos: Path) -> dict[str, dict[str, Any]]:
    """The categories, rank and task of each video of HowTo100M_v1.csv; none for a list of ids."""
    if videos.suffix.lower() != ".csv":
        return {}
    return {
        str(record.value(LISTED["video"])).strip(): {
            name: record.values[name] for name in FACTS if record.values.get(name)
        }
        for record in table_records(videos, LISTED)
        if isinstance(record, Record)
    }


def _known(facts: Mapping[str, Mapping[str, Any]], video: str) -> Mapping[str, Any]:
    return facts.get(video, {})


def _entries(path: Path) -> Iterable[tuple[str, Any]]:
    if path.suffix.lower() not in PICKLES:
        return object_entries(path)
    value = load_value(path)
    if not isinstance(value, dict):
        raise AnnotationError(f'{path}: expected {{video: {{"start", "end", "text"}}}}, found {type(value).__name__}')
    return value.items()


def _captions(path: Path, video: str, entry: Any) -> Iterator[Record | BadRow]:
    """The captions of one video, or what is wrong with its entry."""
    place = f"entry {video!r}"
    parts = _parts(entry)
    if parts is None:
        found = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        what = f"expected start, end and text, lists of one length, found {found[:80] or 'nothing'}; correct the entry"
        yield BadRow.at(place, path, MALFORMED, what)
        return
    if not parts:
        yield BadRow.at(place, path, NO_TEXT, f"video {video!r} has no captions; accept the loss")
    for number, (start, end, text, *alignable) in enumerate(parts, 1):
        values = {"video_id": video, "caption": text, "start": start, "end": end}
        values |= {"alignable": bool(alignable[0])} if alignable else {}
        yield Record(f"{place} caption {number}", values)


def _parts(entry: Any) -> list[tuple[Any, ...]] | None:
    """(start, end, text) of each caption, with "alignable" behind where the file says it; None for another form."""
    if isinstance(entry, dict):
        lists = [entry.get(name) for name in ("start", "end", "text")]
        if (
            not all(isinstance(values, list) for values in lists)
            or len({len(values) for values in lists if values}) > 1
        ):
            return None
        return list(zip(*lists, strict=False)) if all(lists) else None if any(lists) else []
    if isinstance(entry, list) and all(isinstance(part, list) and len(part) == 4 for part in entry):
        return [(start, end, text, alignable) for alignable, start, end, text in entry]
    return None


def _read(record: Record) -> Caption:
    caption = read_segment(record, VIDEO)
    if "alignable" in record.values:
        caption.more["alignable"] = record.values["alignable"]
    return caption
