"""MSR-VTT: one video with its captions, for retrieval and captioning; reads the forms in which it is distributed.

- .json of the challenge, {"videos": [{"video_id", "split", "category", "url", "start time", "end time"}], "sentences":
  [{"video_id", "caption", "sen_id"}]}: train_val_videodatainfo.json, test_videodatainfo.json, and both as
  MSRVTT_data.json. --split takes train, val ("validate" there) or test: 6,513, 497 and 2,990 videos.
- .csv with key,vid_key,video_id,sentence: MSRVTT_JSFUSION_test.csv, the 1,000 pairs of 1k-A (jpthu17/EMCL,
  antoine77340/MIL-NCE_HowTo100M as msrvtt_test.csv).
- .jsonl with {"clip_name", "caption"} per line (ALPRO).
- .json {"train": [{"video", "caption"}], "val": ..., "test": ...} with --split (tsujuifu/pytorch_violet, LAVENDER).
- .json {number: {"video", "caption", "id", "image_id"}} (boheumd/MA-LMM), and the same as COCO, {"annotations": [{
  "image_id", "caption"}]} (LAVENDER's caption_coco_format).
- .tsv with a name and [{"caption"}] per line (the captions of SwinBERT and LAVENDER).
- raw-captions.pkl, {video: [[word, ...], ...]} (albanie/collaborative-experts), or the same as .json.

--videos takes the videos of a published list, with all their captions in --annotations: MSRVTT_train.7k.csv and
MSRVTT_train.9k.csv (a column video_id; jpthu17/EMCL), also MSRVTT_JSFUSION_test.csv. 7k is train and val of the
challenge; 9k is all but the 1,000 of 1k-A.

The video 7010 is "video7010" in every form: one key. It is looked up as video7010.EXT, then 7010.EXT, or by the id map
under either name. "start time" and "end time" are those of the film on YouTube from which the video was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import check_file, json_records
from tools.arguments import AnnotationsFile, IdMap, MediaPath, Split, VideoListFile
from tools.by_video import VideoList, rows_by_video
from tools.captions import Caption, caption_entries, read_caption, whole_value
from tools.datasets.questions.msrvtt_qa import video_id, video_names
from tools.json_files.splits import split_name
from tools.lookup import MediaFolder
from tools.record import BadLine, Record
from tools.rows import MALFORMED, BadRow, CountedRows, OptionError

VIDEO = ("video_id", "clip_name", "video", "image_id")
FACTS = ("category", "url", "start time", "end time")


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    split: Split = None,
    videos: VideoListFile = None,
    id_map: IdMap = None,
) -> CountedRows:
    """MSR-VTT: videos with captions.

    Give the challenge's .json with --split or with --videos MSRVTT_train.9k.csv; or MSRVTT_JSFUSION_test.csv; or a
    .jsonl or .json of captions. One sample per video.
    """
    check_file(annotations)
    if split is not None and videos is not None:
        raise OptionError(f"--split {split} and --videos {videos}: give one of the two")
    folder = MediaFolder(media, VIDEO_EXTENSIONS, id_map)
    only = None if videos is None else VideoList.read(videos, video_id)
    value = whole_value(annotations)
    if not isinstance(value, dict) or "sentences" not in value:
        return rows_by_video(
            caption_entries(annotations, value, VIDEO, split),
            annotations,
            folder,
            _read,
            "caption",
            video_names,
            only=only,
        )
    facts, bad = _videos(annotations, value.get("videos"))
    records = chain(bad, _sentences(annotations, value["sentences"], facts))
    return rows_by_video(
        records,
        annotations,
        folder,
        _read,
        "caption",
        video_names,
        only=only or _of_split(annotations, facts, split),
        meta=lambda video: {name: facts[video].values[name] for name in FACTS if name in facts[video].values},
    )


def _videos(path: Path, entries: Any) -> tuple[dict[str, Record], list[BadRow]]:
    """The videos of the challenge's json by name, and the entries that name none."""
    videos: dict[str, Record] = {}
    bad: list[BadRow] = []
    for entry in json_records(path, entries, "video", "videos "):
        if isinstance(entry, BadRow):
            bad.append(entry)
            continue
        try:
            name = video_id(entry.id(VIDEO))
            if not isinstance(entry.values.get("split"), str):
                raise BadLine(f"the video {name!r} has no split; write train, validate or test")
            if videos.setdefault(name, entry) is not entry:
                raise BadLine(f"the video {name!r} stands at {videos[name].place} already; remove one of the two")
        except BadLine as flaw:
            bad.append(BadRow.at(entry.place, path, MALFORMED, str(flaw)))
    return videos, bad


def _of_split(path: Path, videos: Mapping[str, Record], split: str | None) -> VideoList:
    wanted = split_name(path, list(dict.fromkeys(video.values["split"] for video in videos.values())), split)
    return VideoList(path, {name: video.place for name, video in videos.items() if video.values["split"] == wanted})


def _sentences(path: Path, entries: Any, videos: Mapping[str, Record]) -> Iterator[Record | BadRow]:
    for entry in json_records(path, entries, "caption", "sentences "):
        video = None if isinstance(entry, BadRow) else entry.value(VIDEO)
        if isinstance(entry, BadRow) or video is None or video_id(str(video)) in videos:
            yield entry
        else:
            what = f"the video {str(video)[:40]!r} is none of `videos`; correct the sentence or add the video"
            yield BadRow.at(entry.place, path, MALFORMED, what)


def _read(record: Record) -> Caption:
    caption = read_caption(record, VIDEO)
    return replace(caption, video=video_id(caption.video))
