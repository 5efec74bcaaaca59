"""DiDeMo: one Flickr video with the descriptions of its moments; a paragraph of them for retrieval.

- train_data.json, val_data.json, test_data.json: lists of {"video", "description", "times", "annotation_id",
  "num_segments", "dl_link"} (the authors' release, LisaAnne/LocalizingMoments).
- .jsonl with {"clip_name", "caption"} per line, the caption being the paragraph (ALPRO).
- .json {"train": [{"video", "caption": [descriptions]}], "val": ..., "test": ...} with --split (LAVENDER).

--text paragraph (the default) is one record per video, its descriptions in the order of the file, joined by spaces, as
retrieval uses them; --text segments is a record for each. A description has "times", [[start, end], ...] in seconds,
one for each annotator: the file counts moments of 5 seconds, so [1, 2] is from 5 to 15 s. What lies behind 30 s is not
annotated, and the last moment ends with the video where that is shorter. A loader shows the whole video, whatever the
times (tools/captions.py).

A video is named OWNER_PHOTO_SECRET with an extension that is not the same in all entries of a video (.mov and .mp4) and
empty in some; its key is the name without it. So val has 1,065 and test 1,004 videos, as published. It is looked up by
that name with any extension of a video, and at last without one, where the first bytes say what the file is. One of
the 10,464 videos is lost, 77807177@N00_5753455690_1e04ccb364 of train: it is quarantined by name, as all that are not
there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import length_hint
from typing import Any

from shards.media import VIDEO_EXTENSIONS, foreign_kind
from tools.annotations import check_file
from tools.arguments import AnnotationsFile, CaptionText, IdMap, MediaPath, Split, VideoListFile
from tools.by_video import VideoList, rows_by_video
from tools.captions import Caption, caption_entries, read_caption, whole_text, whole_value
from tools.lookup import MediaFolder
from tools.record import BadLine, Record
from tools.rows import BAD_MEDIA, BadRow, CountedRows, Row

VIDEO = ("video", "clip_name", "video_id")
CHUNK = 5
"""Seconds of a moment."""
NUM_CHUNKS = 6
_HEAD_BYTES = 1024


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    split: Split = None,
    videos: VideoListFile = None,
    text: CaptionText = "paragraph",
    id_map: IdMap = None,
) -> CountedRows:
    """DiDeMo: videos with descriptions of their moments.

    Give the authors' *_data.json, ALPRO's .jsonl or LAVENDER's .json with --split. One sample per video, with one
    paragraph of its descriptions.
    """
    check_file(annotations)
    whole = whole_text(text)
    folder = MediaFolder(media, (*VIDEO_EXTENSIONS, ""), id_map)
    records = caption_entries(annotations, whole_value(annotations), VIDEO, split)
    only = None if videos is None else VideoList.read(videos, _name)
    found = rows_by_video(records, annotations, folder, _read, "description", only=only, whole=whole)
    return CountedRows(_with_extension(found, annotations.name), length_hint(found))


def _with_extension(rows: CountedRows, source: str) -> Iterator[Row | BadRow]:
    """The same rows; a file whose name has no extension gets that of the form that its first bytes say."""
    for row in rows:
        if isinstance(row, BadRow) or row.media_path is None or row.extension:
            yield row
            continue
        try:
            with open(row.media_path, "rb") as file:
                kind = foreign_kind(file.read(_HEAD_BYTES))
        except OSError as error:
            why = f"{row.media_path}: cannot be read ({error.strerror}); correct it, or accept the loss"
            yield BadRow.at(row.record_id, source, BAD_MEDIA, why)
            continue
        yield row if kind is None else replace(row, ext=kind.ext)


def _name(video: str) -> str:
    stem, _, extension = video.rpartition(".")
    return stem if stem and len(extension) <= 4 else video


def _read(record: Record) -> Caption:
    caption = read_caption(record, VIDEO)
    more = dict(caption.more)
    if "times" in record.values:
        more["times"] = _seconds(record.values["times"])
    return replace(caption, video=_name(caption.video), more=more)


def _seconds(times: Any) -> list[list[float]]:
    """[start, end] in seconds for each annotator, from pairs of the first and the last moment. Raises BadLine."""
    if not isinstance(times, list) or not times:
        raise BadLine(f"expected times, a list of [first, last], found {str(times)[:40]!r}; correct them")
    for pair in times:
        is_pair = isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair)
        if not is_pair or not 0 <= pair[0] <= pair[1] < NUM_CHUNKS:
            raise BadLine(
                f"expected times of [first, last] with 0 <= first <= last < {NUM_CHUNKS}, found {str(pair)[:40]}; "
                "correct them"
            )
    return [[float(CHUNK * first), float(CHUNK * (last + 1))] for first, last in times]
