"""Cut the videos of a folder into clips as files, with a list of them: `python -m tools scenes FOLDER` as a function.

OUT/clips/ has the clips, in the folders of their videos: sub/NAME.avi gives clips/sub/NAME_avi-0000.mp4 and
so on.
OUT/clips.jsonl has a line for each, in order: videoid and page_dir (by which `tools build webvid` finds it), parent,
number, start, end (seconds). A clip has no text yet: add a field "name" to its line. Promises: every video gives clips
or a line in OUT/quarantine.jsonl; a clip appears whole or not at all; a killed run goes on after the last finished
video.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from shards.base import ConversionError, Engine, MediaError, printable, threads
from shards.cli import Progress
from shards.dataset import MAX_MEDIA_BYTES, NUM_EXAMPLES, QUARANTINE_FILE, Report
from shards.media import VIDEO_EXTENSIONS
from tools.rows import BAD_MEDIA, BadRow, OptionError, make_key
from tools.scenes.video import Cutting, cut_video

CLIPS_FILE = "clips.jsonl"
_STATE = ".scenes.jsonl"
_LONGEST_NAME = 200
"""Bytes of a clip's name before its number."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """What became of a video."""

    name: str
    """Its path under the folder."""
    clips: list[dict[str, Any]]
    bad: str = ""


def cut_folder(
    folder: Path, out: Path, cutting: Cutting, *, engine: Engine | None = None, progress: Progress | None = None
) -> Report:
    """Cut every video under `folder` into clips under `out`, or go on with it. In the report a row is a video, a sample
    a clip.

    engine: where videos are cut; None: two threads. Raises OptionError, ConversionError; OSError for the disk.
    """
    begin = time.monotonic()
    cutting.check()
    names = sorted(_videos(folder, out))
    if not names:
        raise ConversionError(
            f"{folder}: no videos under it (.{', .'.join(VIDEO_EXTENSIONS[:5])}, ...); check the path"
        )
    out.mkdir(parents=True, exist_ok=True)
    report = Report(name=folder.name, out=str(out))
    settings = {"folder": str(folder.resolve()), "cutting": cutting.describe()}
    with _locked(out / _STATE) as state:
        done = _done_before(state, out, settings)
        _cut_missing(report, names, done, state, settings, partial(_cut, folder, out, cutting), engine, progress)
        _publish(report, out, [done[name] for name in names])
    report.seconds = time.monotonic() - begin
    return report


@contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    """The file of what is done, for one process. Raises ConversionError."""
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConversionError(f"{path.parent}: another process is cutting into it; wait for it") from error
        file.seek(0)
        yield file


def _cut_missing(
    report: Report,
    names: list[str],
    done: dict[str, dict[str, Any]],
    state: TextIO,
    settings: dict[str, Any],
    work: Callable[[str], _Cut],
    engine: Engine | None,
    progress: Progress | None,
) -> None:
    """Cut the videos that are not done, and note each."""
    report.num_resumed = sum(name in done for name in names)
    report.finished_before = report.num_resumed == len(names) and (Path(report.out) / CLIPS_FILE).exists()
    if progress is not None:
        progress.update(0, len(names))
        progress.skip(report.num_resumed)
    state.truncate(0)
    for line in (settings, *done.values()):
        state.write(json.dumps(line) + "\n")
    state.flush()
    num_bad = 0
    for cut in (engine or threads(2))(work, (name for name in names if name not in done)):
        done[cut.name] = {"video": cut.name, "clips": cut.clips, "bad": cut.bad}
        state.write(json.dumps(done[cut.name]) + "\n")
        state.flush()
        num_bad += bool(cut.bad)
        if progress is not None:
            progress.update(len(done), quarantined=num_bad)


def _videos(folder: Path, out: Path) -> Iterator[str]:
    """The paths of all videos under a folder, relative to it; what lies in `out` is not one of them."""
    if not folder.is_dir():
        raise OptionError(f"{folder}: is no folder; give a folder of videos, or a dataset of shards")
    inside = out.resolve()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if (Path(root) / name).resolve() != inside]
        for name in files:
            if not name.startswith(".") and name.rpartition(".")[2].lower() in VIDEO_EXTENSIONS:
                yield str((Path(root) / name).relative_to(folder))


def _cut(folder: Path, out: Path, cutting: Cutting, name: str) -> _Cut:
    """Cut one video, and put its clips in their places."""
    path = folder / name
    try:
        if path.stat().st_size > MAX_MEDIA_BYTES:
            raise MediaError(f"has more than {MAX_MEDIA_BYTES} bytes; cut it in two first")
        clips = cut_video(path.read_bytes(), path.suffix[1:].lower(), cutting)
    except MediaError as error:
        return _Cut(name, [], str(error))
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        return _Cut(name, [], f"cannot be read ({error.strerror})")
    page, stem = os.path.dirname(name), os.path.basename(name).replace(".", "_")  # a.mp4 and a.avi stay apart
    if len(os.fsencode(stem)) > _LONGEST_NAME:
        stem = make_key(stem)
    lines = []
    for clip in clips:
        identifier = f"{stem}-{clip.number:04d}"
        target = out / "clips" / page / f"{identifier}.{clip.ext}"
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(clip.media)
        os.replace(part, target)
        times = {"number": clip.number, "start": round(clip.start, 6), "end": round(clip.end, 6)}
        lines.append({"videoid": identifier, "page_dir": page, "parent": name, **times, "bytes": len(clip.media)})
    return _Cut(name, lines)


def _done_before(state: TextIO, out: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What earlier runs have finished, by video. Raises OptionError where they had other settings."""
    done: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(state):
        if not line.endswith("\n"):
            break  # cut off by a kill
        content = json.loads(line)
        if number == 0 and content != json.loads(json.dumps(settings)):
            raise OptionError(f"{out}: holds clips of another folder or of other settings; choose another OUT")
        if number:
            done[content["video"]] = content
    return done


def _publish(report: Report, out: Path, results: list[dict[str, Any]]) -> None:
    """Write the list of clips and the quarantine, and fill in the accounts."""
    parts = [out / f".{name}.part" for name in (CLIPS_FILE, QUARANTINE_FILE)]
    with open(parts[0], "w", encoding="utf-8") as clips, open(parts[1], "w", encoding="utf-8") as quarantine:
        for result in results:
            report.num_rows += 1
            for clip in result["clips"]:
                clips.write(json.dumps(clip) + "\n")
                report.num_samples += 1
                report.bytes += clip["bytes"]
            if result["bad"]:
                bad = BadRow.at("video", result["video"], BAD_MEDIA, f"{result['video']}: {result['bad']}")
                quarantine.write(json.dumps({"record": result["video"], "reason": bad.reason}) + "\n")
                report.num_quarantined += 1
                report.quarantined[bad.kind] = report.quarantined.get(bad.kind, 0) + 1
                if len(report.examples) < NUM_EXAMPLES:
                    report.examples.append(printable(bad.reason))
    for part, name in zip(parts, (CLIPS_FILE, QUARANTINE_FILE), strict=True):
        os.replace(part, out / name)
