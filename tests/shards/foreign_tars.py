"""Tars as other tools lay them out, with real media of samples/, for the tests of indexing and reading."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PICTURES = ("cv_left05.jpg", "sk_grass.jpg", "sk_gravel.jpg", "sk_brick.jpg")
CLIP = SAMPLES / "videos" / "tree_window.mp4"

Files = list[tuple[str, bytes]]


def picture(number: int) -> bytes:
    return (SAMPLES / "images" / PICTURES[number % len(PICTURES)]).read_bytes()


def caption(key: str) -> str:
    return f"a picture called {key}, café"


def img2dataset_files(keys: list[str], captions: bool = True) -> Files:
    """jpg, json with the row's own fields, txt with the caption."""
    files: Files = []
    for number, key in enumerate(keys):
        text = caption(key)
        row = {"key": key, "status": "success", "url": f"http://x/{key}", "caption": text if captions else None}
        files += [
            (f"{key}.jpg", picture(number)),
            (f"{key}.json", json.dumps(row).encode()),
            (f"{key}.txt", text.encode()),
        ]
    return files


def video2dataset_files(keys: list[str]) -> Files:
    """mp4, json without a caption, txt with it."""
    clip = CLIP.read_bytes()
    files: Files = []
    for key in keys:
        row = {"key": key, "yt_meta_dict": {"title": "t"}}
        files += [
            (f"{key}.mp4", clip),
            (f"{key}.txt", (caption(key) + "\n").encode()),
            (f"{key}.json", json.dumps(row).encode()),
        ]
    return files


def write_tar(path: Path, files: Files, form: int = tarfile.GNU_FORMAT, mtime: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            tar.addfile(info, io.BytesIO(data))
    return path


def write_webdataset_tar(path: Path, files: Files) -> Path:
    from webdataset import TarWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    samples: dict[str, dict[str, bytes]] = {}
    for name, data in files:
        key, _, ext = name.partition(".")
        samples.setdefault(key, {})[ext] = data
    with path.open("wb") as file:
        writer = TarWriter(file, encoder=False)
        for key, members in samples.items():
            writer.write({"__key__": key, **members})
        writer.close()
    return path
