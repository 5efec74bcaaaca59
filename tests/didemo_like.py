"""DiDeMo over clips of the corpus: its annotations in both published forms, and a media folder like that of the set.

A video is named OWNER@N00_PHOTO_SECRET. Its extension differs between two entries of some videos (.mov and .mp4), is
empty in some, and is another than the file has in most. In the folder are .mp4, .avi, .mov, .mts, .3g2 and others, and
files without extension. The video that is lost for all has its entries in train, and no file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPLITS = ("train", "val", "test")
LOST = "77807177@N00_5753455690_1e04ccb364"
_NAMED = ("mov", "avi", "mp4", "", "3gp")
"""Extensions in the entries of one video after the other."""
_RENAMED = {"ts": "mts", "mpg": "MPG"}
_CLIPS = {
    "train": ("coin_pen.mov", "bbb_angry.ts", "ball_throw_187fps.avi", "empty_road.mp4", "empty_room.mp4", "earth.mp4"),
    "val": ("tree_hand.avi", "potted_plants.mp4", "pedestrians_3.webm", "sintel_dragons.mp4"),
    "test": ("two_discs.mov", "woman_black.mp4", "india_statue.mp4", "sintel_girl.mp4", "bottles_2.avi"),
}
"""The small ones of each container."""


def didemo_name(split: str, number: int) -> str:
    """The name of a video, without extension."""
    return f"{35034348990 + number}@N0{SPLITS.index(split)}_{6060447500 + number}_dc1a90b8{number:02x}"


def didemo_files(split: str) -> list[str]:
    """The clips of a split by their names in the corpus."""
    return list(_CLIPS[split])


def write_didemo_like(corpus: Path, folder: Path) -> Path:
    """SPLIT_data.json as the authors publish it, SPLIT.jsonl as ALPRO does, and videos/, in a folder; returns it."""
    captions = {
        Path(clip["file"]).name: clip["captions"]
        for clip in json.loads((corpus / "annotations/captions/videos.json").read_text())
    }
    (folder / "videos").mkdir(parents=True)
    for split in SPLITS:
        entries: list[dict[str, Any]] = []
        for number, clip in enumerate(_CLIPS[split]):
            name = didemo_name(split, number)
            entries += _entries(name, number, captions[clip])
            extension = Path(clip).suffix[1:]
            ending = "" if number == 3 else f".{_RENAMED.get(extension, '3g2' if number == 5 else extension)}"
            (folder / "videos" / f"{name}{ending}").symlink_to(corpus / "videos" / clip)
        if split == "train":
            entries += _entries(LOST, 1, ["a man walks by.", "he stops"])
        entries = entries[::2] + entries[1::2]  # those of a video are spread over the file
        (folder / f"{split}_data.json").write_text(json.dumps(entries))
        paragraphs: dict[str, list[str]] = {}
        for entry in entries:
            paragraphs.setdefault(entry["video"].rpartition(".")[0], []).append(entry["description"])
        lines = [{"clip_name": name, "caption": " ".join(said)} for name, said in paragraphs.items()]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _entries(name: str, number: int, descriptions: list[str]) -> list[dict[str, Any]]:
    """Of one video, an entry for each description."""
    return [
        {
            "num_segments": 6,
            "description": description,
            "dl_link": f"https://www.flickr.com/video_download.gne?id={name.split('_')[1]}",
            "times": [[part, part + 1]] * 4,
            "video": f"{name}.{_NAMED[(number + 2 * part) % len(_NAMED)]}",
            "annotation_id": 49152 + 8 * number + part,
        }
        for part, description in enumerate(descriptions)
    ]
