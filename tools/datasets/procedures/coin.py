"""COIN: one instructional video with its steps and their times; reads the forms in which it is distributed.

- COIN.json, {"database": {video: {"subset": "training" or "testing", "class", "recipe_type", "duration", "start",
  "end", "video_url", "annotation": [{"id", "segment": [start, end], "label"}]}}} (the authors' release,
  coin-dataset/annotations), with --split train or test.
- .json list of {video: {the same}}, a split each: coin_train_70.json with 7,064 videos of "training", coin_test_30.json
  with 3,006 of "testing", of the 11,827 of the release (MCG-NJU/PDPP).

A record is a step: its label as "caption", the number of the label as "id", "start" and "end" in seconds. --text
paragraph makes one record of all of them. A loader shows the whole video, whatever the times (tools/captions.py).
The task is the "class" of the sample's json, with its number as "recipe_type".

A video is looked up as ID.EXT, SUBSET/RECIPE_TYPE/ID.EXT and RECIPE_TYPE/ID.EXT.
"""

from __future__ import annotations

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import check_file
from tools.arguments import AnnotationsFile, CaptionText, IdMap, MediaPath, Split
from tools.captions import whole_text
from tools.datasets.retrieval.youcook2 import database_rows
from tools.lookup import MediaFolder
from tools.rows import CountedRows


def rows(
    annotations: AnnotationsFile,
    media: MediaPath,
    split: Split = None,
    text: CaptionText = "segments",
    id_map: IdMap = None,
) -> CountedRows:
    """COIN: instructional videos with their steps.

    Give COIN.json with --split, or PDPP's coin_train_70.json or coin_test_30.json. One sample per video.
    """
    check_file(annotations)
    whole = whole_text(text)
    return database_rows(annotations, MediaFolder(media, VIDEO_EXTENSIONS, id_map), split, "annotation", whole)
