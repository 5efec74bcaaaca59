"""MSVD: one YouTube clip with its captions, for retrieval and captioning; reads the forms in which it is distributed.

- .json {number: {"video", "image_id", "caption", "id"}} (boheumd/MA-LMM, cap_val.json).
- .json {"annotations": [{"image_id", "caption", "id"}], "images": [{"id"}]} (the same as COCO, coco_gt/cap_val.json).
- .json {"train": [{"video", "caption"}], "val": ..., "test": ...} with --split (LAVENDER), and .jsonl of such lines.
- .tsv with a name and [{"caption"}] per line (the captions of SwinBERT and LAVENDER).
- raw-captions.pkl, {video: [[word, ...], ...]} (albanie/collaborative-experts), or the same as .json; words are joined
  by spaces.

--videos takes the videos of a published list, a name per line: train_list.txt, val_list.txt, test_list.txt
(collaborative-experts), 1,200, 100 and 670 clips.

The clips are the .avi files of YouTubeClips, named by YouTube's id and seconds (-4wsuPCjDBc_5_15.avi). Where files or
annotations number them instead (vid1), --id-map youtube_mapping.txt, "-4wsuPCjDBc_5_15 vid1" per line, joins the two.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tools.annotations import check_file
from tools.arguments import AnnotationsFile, MediaPath, Split, VideoListFile
from tools.by_video import VideoList, rows_by_video
from tools.captions import Caption, caption_entries, read_caption, whole_value
from tools.lookup import AVI_FIRST, MediaFolder, youtube_mapping
from tools.record import Record
from tools.rows import CountedRows

VIDEO = ("video", "video_id", "clip_name", "image_id")


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    split: Split = None,
    videos: VideoListFile = None,
    id_map: Annotated[Path | None, typer.Option(help="youtube_mapping.txt, or a JSON as for other sets.")] = None,
) -> CountedRows:
    """MSVD: YouTube clips with captions.

    Give raw-captions.pkl, a .json or a .jsonl of captions, and the folder YouTubeClips; --videos train_list.txt where
    the file holds more than a split. One sample per video.
    """
    check_file(annotations)
    is_mapping = id_map is not None and id_map.suffix.lower() == ".txt"
    folder = MediaFolder(media, AVI_FIRST, None if is_mapping else id_map)
    names = youtube_mapping(id_map) if id_map is not None and is_mapping else {}
    numbers = {name: number for number, name in names.items()}
    return rows_by_video(
        caption_entries(annotations, whole_value(annotations), VIDEO, split),
        annotations,
        folder,
        lambda record: _read(record, names),
        "caption",
        lambda video: (video, numbers[video]) if video in numbers else (video,),
        only=None if videos is None else VideoList.read(videos, lambda video: names.get(video, video)),
    )


def _read(record: Record, names: dict[str, str]) -> Caption:
    caption = read_caption(record, VIDEO)
    stem, _, extension = caption.video.rpartition(".")
    video = stem if stem and extension.lower() in AVI_FIRST else caption.video
    return replace(caption, video=names.get(video, video))
