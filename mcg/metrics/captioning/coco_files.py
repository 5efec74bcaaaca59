"""Files of captions in COCO's two forms, references {"images": [{"id"}], "annotations": [{"image_id", "caption",
"id"}]} and results [{"image_id", "caption"}], read with the place of every caption, and written.

Ids are numbers or texts; 7 and "7" are one video. An entry of "images" is a video that is to have captions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shards.base import PrintableError, load_json

_MOST_BYTES = 1 << 28
_MOST_VALUES = 1 << 23


class CaptionFileError(PrintableError, ValueError):
    """A file of captions that cannot be used; names the file and the entry."""


@dataclass
class CaptionFile:
    """The captions of each video, in the order of the file."""

    path: Path
    texts: dict[str, list[str]] = field(default_factory=dict)
    _entries: dict[str, list[str]] = field(default_factory=dict)

    def add(self, video: str, text: str, entry: str) -> None:
        """Add a caption. entry: where in the file it is."""
        self.texts.setdefault(video, []).append(text)
        self._entries.setdefault(video, []).append(entry)

    def place(self, video: str, number: int = 0) -> str:
        """Where the caption of a video with a number (from 0) is."""
        return f"{self.path}: {self._entries[video][number]} (video {video!r})"


def read_captions(path: Path) -> CaptionFile:
    """The captions of a file in either form. Raises CaptionFileError."""
    return _read(path)[0]


def read_references(path: Path) -> CaptionFile:
    """One or more captions for each video. Raises CaptionFileError, also where a video of "images" has none."""
    file, videos = _read(path)
    if not file.texts:
        raise CaptionFileError(f"{path}: holds no caption")
    for number, video in enumerate(videos):
        if video not in file.texts:
            raise CaptionFileError(f"{path}: images[{number}]: video {video!r} has no caption among the annotations")
    return file


def read_predictions(path: Path) -> CaptionFile:
    """One caption for each video. Raises CaptionFileError, also where a video has two."""
    file, _ = _read(path)
    if not file.texts:
        raise CaptionFileError(f"{path}: holds no caption")
    for video, texts in file.texts.items():
        if len(texts) > 1:
            entries = file.place(video, 1), file.place(video, 0).removeprefix(f"{path}: ")
            raise CaptionFileError(f"{entries[0]} is a second prediction; the first is {entries[1]}. Keep one")
    return file


def write_references(path: Path, references: Mapping[str, Sequence[str]]) -> None:
    """Write references in COCO's form; captions are numbered from 0."""
    pairs = [(video, text) for video, texts in references.items() for text in texts]
    annotations = [{"image_id": video, "caption": text, "id": number} for number, (video, text) in enumerate(pairs)]
    _write(path, {"images": [{"id": video} for video in references], "annotations": annotations})


def write_predictions(path: Path, predictions: Mapping[str, str]) -> None:
    """Write predictions in COCO's form of results."""
    _write(path, [{"image_id": video, "caption": text} for video, text in predictions.items()])


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")  # in ASCII: texts may hold halves of characters


def _read(path: Path) -> tuple[CaptionFile, list[str]]:
    """The captions, and the videos of "images"."""
    content = _content(path)
    is_list = isinstance(content, list)
    rows = content if is_list else content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise CaptionFileError(
            f"{path}: is neither a list of results [{{image_id, caption}}] nor an object with a list of annotations "
            f"{{images, annotations: [{{image_id, caption, id}}]}}; it is {_described(content)}"
        )
    file = CaptionFile(path)
    for number, row in enumerate(rows):
        entry = f"[{number}]" if is_list else f"annotations[{number}]"
        if not isinstance(row, dict):
            raise CaptionFileError(f"{path}: {entry} is {_described(row)}, not an object with image_id and caption")
        text = row.get("caption")
        if not isinstance(text, str):
            found = _described(text) if "caption" in row else "missing"
            raise CaptionFileError(f"{path}: {entry}: caption is {found}, and must be a text")
        file.add(_video(path, entry, row, "image_id"), text, entry)
    images = content.get("images", []) if isinstance(content, dict) else []
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise CaptionFileError(f"{path}: images is {_described(images)}, not a list of objects with an id")
    return file, [_video(path, f"images[{number}]", image, "id") for number, image in enumerate(images)]


def _content(path: Path) -> Any:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise CaptionFileError(f"{path}: has {size} bytes, the limit is {_MOST_BYTES}")
        return load_json(path.read_bytes(), _MOST_BYTES, _MOST_VALUES)
    except OSError as error:
        raise CaptionFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    except CaptionFileError:
        raise
    except ValueError as error:
        raise CaptionFileError(f"{path}: is no JSON of captions: {error}") from None


def _video(path: Path, entry: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        found = _described(value) if name in row else "missing"
        raise CaptionFileError(f"{path}: {entry}: {name} is {found}, and must be a number or a text")
    return str(value)


def _described(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"{value!r}") if value != "" else "empty"
