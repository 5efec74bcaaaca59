"""Sets that LAVENDER reads, over clips of the corpus, in the forms in which they are published: MSRVTT-MC, MSVD's
captions, COCO's form of captions, and frames as LAVENDER's TSV with SwinBERT's caption YAML."""

from __future__ import annotations

import base64
import io
import json
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av

SPLITS = ("train", "val", "test")
_CLIPS = {
    "train": ("coin_pen.mov", "bbb_angry.ts", "ball_throw_187fps.avi", "empty_road.mp4", "empty_room.mp4", "earth.mp4"),
    "val": ("tree_hand.avi", "potted_plants.mp4", "pedestrians_3.webm"),
    "test": ("two_discs.mov", "woman_black.mp4", "india_statue.mp4", "sintel_girl.mp4"),
}
"""The small ones of each container."""


def msvd_names(split: str) -> list[str]:
    """The names of MSVD's clips of a split: an id of YouTube and seconds."""
    return [f"{split[0]}Vid-{number:02d}_{number:02d}x_{5 * number}_{5 * number + 9}" for number, _ in _numbered(split)]


def captions_of(corpus: Path) -> dict[str, list[str]]:
    """The captions of every clip by its file."""
    clips = json.loads((corpus / "annotations/captions/videos.json").read_text())
    return {Path(clip["file"]).name: clip["captions"] for clip in clips}


def write_msrvtt_mc(corpus: Path, folder: Path) -> Path:
    """MSR_MC_test.csv over test of the corpus' MSR-VTT: separated by tabs, the answer counted from 0."""
    notes = json.loads((corpus / "annotations/msrvtt_like/MSRVTT_data.json").read_text())
    said = {line["video_id"]: line["caption"] for line in notes["sentences"]}
    videos = [video["video_id"] for video in notes["videos"] if video["split"] == "test"]
    lines = ["key\tvid_key\ta1\ta2\ta3\ta4\ta5\tanswer"]
    for number, video in enumerate(videos):
        others = [videos[(number + step) % len(videos)] for step in (3, 7, 11, 15)]
        answer = number % 5
        shown = [*others[:answer], video, *others[answer:]]
        choices = "\t".join(said[other] for other in shown)
        lines.append(f"ret{number}\t{video.replace('video', 'msr')}\t{choices}\t{answer}")
    path = folder / "MSR_MC_test.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def write_msvd(corpus: Path, folder: Path) -> Path:
    """raw-captions.pkl (words, as collaborative-experts has them) and .json, SPLIT_list.txt, coco_SPLIT.json and, named
    as in YouTubeClips, the clips; returns the folder."""
    (folder / "YouTubeClips").mkdir(parents=True)
    words: dict[str, list[list[str]]] = {}
    for split in SPLITS:
        names = msvd_names(split)
        (folder / f"{split}_list.txt").write_text("".join(f"{name}\n" for name in names))
        for name, (_, clip) in zip(names, _numbered(split), strict=True):
            words[name] = [text.lower().rstrip(".").split() for text in captions_of(corpus)[clip]]
            (folder / "YouTubeClips" / f"{name}{Path(clip).suffix}").symlink_to(corpus / "videos" / clip)
        write_coco(folder / f"coco_{split}.json", {name: [" ".join(text) for text in words[name]] for name in names})
    (folder / "raw-captions.json").write_text(json.dumps(words))
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(words, 2))
    return folder


def write_coco(path: Path, captions: dict[str, list[str]]) -> Path:
    """Captions in COCO's form, which the references of a caption YAML have (caption_coco_format)."""
    said = [(name, text) for name, texts in captions.items() for text in texts]
    annotations = [{"image_id": name, "caption": text, "id": number} for number, (name, text) in enumerate(said)]
    path.write_text(json.dumps({"annotations": annotations, "images": [{"id": name} for name in captions]}, indent=4))
    return path


def frames_of(path: Path, count: int) -> list[bytes]:
    """Frames of a clip as JPEGs, at int(n * (i + 1)) with n = frames / (count + 1) as in the release's tool."""
    with av.open(str(path)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    found = []
    for number in range(count):
        out = io.BytesIO()
        frames[int(len(frames) / (count + 1) * (number + 1))].save(out, "JPEG")
        found.append(out.getvalue())
    return found


def write_tsv(path: Path, lines: Iterable[tuple[str, Sequence[bytes]]], between: Sequence[str] = ()) -> Path:
    """Pictures by id as LAVENDER's tool writes them: id, base64 of each; .lineidx and .id2lineidx.pkl beside it.

    between: further columns before the pictures, as its downstream readers expect one.
    """
    places: dict[str, int] = {}
    with open(path, "w") as file:
        for name, pictures in lines:
            places[name] = file.tell()
            file.write(
                "\t".join([name, *between, *(base64.b64encode(picture).decode() for picture in pictures)]) + "\n"
            )
    path.with_suffix(".lineidx").write_text("".join(f"{place}\n" for place in places.values()))
    path.with_suffix(".id2lineidx.pkl").write_bytes(pickle.dumps(places))
    return path


def write_caption_yaml(folder: Path, split: str, captions: dict[str, list[str]]) -> Path:
    """SPLIT.yaml of SwinBERT with label, captions, list of captions and references, over frames/SPLIT.img.tsv."""
    lines = [f"{name}\t{json.dumps([{'caption': text} for text in texts])}" for name, texts in captions.items()]
    (folder / f"{split}.caption.tsv").write_text("".join(f"{line}\n" for line in lines))
    (folder / f"{split}.label.tsv").write_text("".join(f"{name}\t[]\n" for name in captions))
    pairs = [f"{row}\t{n}" for row, texts in enumerate(captions.values()) for n in range(len(texts))]
    (folder / f"{split}.caption.linelist.tsv").write_text("".join(f"{pair}\n" for pair in pairs))
    write_coco(folder / f"{split}.caption_coco_format.json", captions)
    path = folder / f"{split}.yaml"
    path.write_text(
        f"img: frames/{split}.img.tsv\nlabel: {split}.label.tsv\ncaption: {split}.caption.tsv\n"
        f"caption_linelist: {split}.caption.linelist.tsv\ncaption_coco_format: {split}.caption_coco_format.json\n"
    )
    return path


def write_frames(corpus: Path, folder: Path, split: str, count: int = 4) -> dict[str, list[str]]:
    """frames/SPLIT.img.tsv and SPLIT.yaml over the clips of a split; the captions by their ids."""
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    said, clips = captions_of(corpus), dict(zip(msvd_names(split), _CLIPS[split], strict=True))
    frames = ((name, frames_of(corpus / "videos" / clip, count)) for name, clip in clips.items())
    write_tsv(folder / f"frames/{split}.img.tsv", frames, ('[{"class": -1}]',))
    captions = {name: said[clip] for name, clip in clips.items()}
    write_caption_yaml(folder, split, captions)
    return captions


def _numbered(split: str) -> list[tuple[int, str]]:
    first = sum(len(_CLIPS[other]) for other in SPLITS[: SPLITS.index(split)])
    return list(enumerate(_CLIPS[split], first))


def shape_of(value: Any) -> Any:
    """The form of a value of a JSON: keys and types, of a list that of its first entry."""
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return type(value).__name__
