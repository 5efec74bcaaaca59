"""ActivityNet Captions: one long video with sentences about its parts; a paragraph of them for retrieval.

train.json, val_1.json and val_2.json are objects {"v_NAME": {"duration": seconds, "timestamps": [[start, end], ...],
"sentences": [text, ...]}} (the authors' release; gingsi/coot-videotext annotations/activitynet). val_1 and val_2 were
written by two people about the same videos.

--text paragraph (the default) is one record per video, its sentences in the order of the file, joined by spaces, as
retrieval uses them; --text segments is a record for each sentence. A sentence has "start" and "end" in seconds, some
ends by a hundredth behind the duration; one without is quarantined. A loader shows the whole video, whatever the times
(tools/captions.py).

Videos are looked up as v_NAME.EXT and NAME.EXT.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import check_file, json_records, load_value
from tools.arguments import AnnotationsFile, CaptionText, IdMap, MediaPath, VideoListFile
from tools.by_video import VideoList, rows_by_video
from tools.captions import read_segment, whole_text
from tools.lookup import MediaFolder
from tools.record import Record
from tools.rows import MALFORMED, AnnotationError, BadRow, CountedRows

VIDEO = ("video",)


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    videos: VideoListFile = None,
    text: CaptionText = "paragraph",
    id_map: IdMap = None,
) -> CountedRows:
    """ActivityNet Captions: long videos with sentences.

    They are about parts of a video, or joined as a paragraph. Give train.json, val_1.json or val_2.json. Videos are
    v_NAME.mp4, .mkv, ...; one sample per video.
    """
    check_file(annotations)
    whole = whole_text(text)
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    entries = load_value(annotations)
    if not isinstance(entries, dict):
        raise AnnotationError(
            f'{annotations}: expected {{"v_NAME": {{"duration", "timestamps", "sentences"}}}}, found '
            f"{type(entries).__name__}; give train.json, val_1.json or val_2.json"
        )
    if not all(video.startswith("v_") for video in entries):  # the "v_" is left out; an id may itself begin so
        entries = {f"v_{video}": entry for video, entry in entries.items()}
    return rows_by_video(
        _sentences(annotations, entries),
        annotations,
        folder,
        lambda record: read_segment(record, VIDEO),
        "sentence",
        lambda video: (video, video.removeprefix("v_")),
        only=None
        if videos is None
        else VideoList.read(videos, lambda video: video if video in entries else f"v_{video}"),
        whole=whole,
        meta=lambda video: {"duration": entries[video].get("duration")},
    )


def _sentences(path: Path, entries: dict[str, Any]) -> Iterator[Record | BadRow]:
    for video, entry in zip(entries, json_records(path, entries, "sentence"), strict=True):
        if isinstance(entry, BadRow):
            yield entry
            continue
        sentences, times = entry.values.get("sentences"), entry.values.get("timestamps")
        if not isinstance(sentences, list) or not isinstance(times, list) or not len(sentences) == len(times) > 0:
            found = [len(x) if isinstance(x, list) else type(x).__name__ for x in (sentences, times)]
            what = f"expected as many sentences as timestamps, found {found[0]} and {found[1]}; correct the entry"
            yield BadRow.at(entry.place, path, MALFORMED, what)
            continue
        for number, (sentence, pair) in enumerate(zip(sentences, times, strict=True), 1):
            start, end = pair if isinstance(pair, list) and len(pair) == 2 else (pair, None)
            yield Record(
                f"{entry.place} sentence {number}", {"video": video, "sentence": sentence, "start": start, "end": end}
            )
