"""WebVid as T2VLP keeps it, over clips of the corpus: raw frames in TFRecords, their index, and captions by id."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import av
import numpy as np

from tests.tools.containers.given import example, write_tfrecords


def webvid_captions(corpus: Path, count: int) -> dict[str, str]:
    """The first captions of training, by the id of their video."""
    with open(corpus / "annotations/webvid_like/results_2M_train.csv", newline="") as file:
        return {line["videoid"]: line["name"] for line, _ in zip(csv.DictReader(file), range(count), strict=False)}


def raw_frames_of(corpus: Path, video: str) -> np.ndarray:
    """Twelve frames of a clip of WebVid as T2VLP stores them: uint8 (12, 256, 256, 3), BGR."""
    ids = json.loads((corpus / "annotations/webvid_like/videoid_to_file.json").read_text())
    with av.open(str(corpus / "videos" / ids[video])) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(24), strict=False)][::2]
        rgb = [np.asarray(frame.to_image().resize((256, 256))) for frame in frames]
    assert len(rgb) == 12
    return np.ascontiguousarray(np.stack(rgb)[..., ::-1])


def write_webvid_frames(corpus: Path, folder: Path, count: int) -> None:
    """webvid-00000.tfrecord, webvid.index with a path of another machine, and frozen_train_labels.json."""
    captions = webvid_captions(corpus, count)
    records = (example(image=[raw_frames_of(corpus, video).tobytes()]) for video in captions)
    offsets = write_tfrecords(folder / "webvid-00000.tfrecord", records)
    lines = [
        f"{video}\t/apdcephfs/share/webvid-00000.tfrecord\t{offset}\n"
        for video, offset in zip(captions, offsets, strict=True)
    ]
    (folder / "webvid.index").write_text("".join(lines))
    labels = [{"video_id": video, "caption": caption} for video, caption in captions.items()]
    (folder / "frozen_train_labels.json").write_text(json.dumps(labels))
