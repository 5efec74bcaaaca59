"""CrossTask: one instructional video of a task with the steps that it shows and their times.

The authors' release (crosstask_release; the copy of WenliangGuo/SCHEMA was read):

- videos.csv, videos_val.csv (--annotations): task,video,url per line, no header. The 360 videos of val are among the
  4,700 of videos.csv: --without videos_val.csv leaves them out.
- tasks_primary.txt, tasks_related.txt (--tasks): five lines per task, then an empty one: number, title, URL, number of
  steps, steps by commas. Videos of other tasks are passed over: the 18 primary and 65 related tasks are built apart.
- annotations/TASK_VIDEO.csv (--segments): step,start,end per line, the step counted from 1, the times in seconds. Only
  videos of primary tasks have one, 2,750 in all.

A record is a step: its text as "caption", its number as "step", "start" and "end" in seconds. Without --segments a
video has all steps of its task in their order, without times. --text paragraph makes one record of all of them. A
loader shows the whole video, whatever the times (tools/captions.py). A video may show several tasks, so the key is
TASK_VIDEO; the json of a sample holds "task", "title" and "steps". It is looked up as VIDEO.EXT, TASK_VIDEO.EXT and
TASK/VIDEO.EXT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from shards.media import VIDEO_EXTENSIONS
from tools.annotations import check_file, tsv_lines
from tools.arguments import AnnotationsFile, CaptionText, IdMap, MediaPath
from tools.by_video import rows_by_video
from tools.captions import Caption, read_caption, read_segment, whole_text
from tools.lookup import MediaFolder
from tools.record import BadLine, Record
from tools.rows import MALFORMED, NO_TEXT, AnnotationError, BadRow, CountedRows, OptionError

VIDEO = ("video",)


@dataclass(frozen=True, slots=True)
class _Task:
    title: str
    steps: tuple[str, ...]


def rows(
    annotations: AnnotationsFile,
    tasks: Annotated[Path, typer.Option(help="tasks_primary.txt or tasks_related.txt.")],
    media: MediaPath,
    segments: Annotated[Path | None, typer.Option(help="The folder of TASK_VIDEO.csv with times of steps.")] = None,
    without: Annotated[Path | None, typer.Option(help="A list as videos.csv of videos to leave out.")] = None,
    text: CaptionText = "segments",
    id_map: IdMap = None,
) -> CountedRows:
    """CrossTask: instructional videos with their steps.

    Give videos.csv with --tasks tasks_primary.txt and --segments annotations, or with --tasks tasks_related.txt. One
    sample per task and video.
    """
    check_file(annotations)
    whole = whole_text(text)
    known = _read_tasks(tasks)
    if segments is not None and not segments.is_dir():
        raise OptionError(f"{segments}: no such folder; check --segments")
    left_out = set() if without is None else {key for _, key in _videos(without) if isinstance(key, tuple)}
    return rows_by_video(
        _records(annotations, known, segments, left_out),
        annotations,
        MediaFolder(media, VIDEO_EXTENSIONS, id_map),
        lambda record: _read(record, known),
        "step",
        lambda key: (_parts(key)[1], key, "/".join(_parts(key))),
        whole=whole,
        meta=lambda key: _facts(known, _parts(key)[0]),
    )


def _parts(key: str) -> tuple[str, str]:
    task, _, video = key.partition("_")
    return task, video


def _facts(tasks: Mapping[str, _Task], task: str) -> dict[str, object]:
    return {"task": task, "title": tasks[task].title, "steps": list(tasks[task].steps)}


def _read_tasks(path: Path) -> dict[str, _Task]:
    """The tasks of a file by number. Raises AnnotationError with file and line."""
    check_file(path)
    lines = [(number, "\t".join(fields).strip()) for number, fields in tsv_lines(path)]
    lines = [(number, line) for number, line in lines if line]
    tasks: dict[str, _Task] = {}
    for first in range(0, len(lines), 5):
        block = [line for _, line in lines[first : first + 5]]
        steps = block[4].split(",") if len(block) == 5 else []
        if not steps or not block[0].isdigit() or block[3] != str(len(steps)) or block[0] in tasks:
            raise AnnotationError(
                f"{path} line {lines[first][0]}: expected a task of five lines (number, title, URL, number of steps, "
                "steps by commas), each task once; give tasks_primary.txt or tasks_related.txt"
            )
        tasks[block[0]] = _Task(block[1], tuple(steps))
    return tasks


def _videos(path: Path) -> Iterator[tuple[str, tuple[str, str] | BadRow]]:
    """(place, task and video) of each line of videos.csv."""
    check_file(path)
    for number, fields in tsv_lines(path):
        place, parts = f"line {number}", [part.strip() for part in "\t".join(fields).split(",")]
        if parts == [""]:
            continue
        if len(parts) == 3 and parts[0].isdigit() and parts[1]:
            yield place, (parts[0], parts[1])
        else:
            what = f"expected task,video,url with a number as task, found {','.join(parts)[:60]!r}; correct the line"
            yield place, BadRow.at(place, path, MALFORMED, what)


def _records(
    path: Path, tasks: Mapping[str, _Task], segments: Path | None, left_out: set[tuple[str, str]]
) -> Iterator[Record | BadRow]:
    places: dict[tuple[str, str], str] = {}
    for place, found in _videos(path):
        if isinstance(found, BadRow):
            yield found
            continue
        task, video = found
        if task not in tasks or found in left_out:
            continue
        if places.setdefault(found, place) != place:
            what = f"the video {video!r} of task {task} stands in {places[found]} already; remove one of them"
            yield BadRow.at(place, path, MALFORMED, what)
            continue
        key = f"{task}_{video}"
        if segments is not None:
            yield from _segments(segments / f"{key}.csv", path, place, key)
            continue
        for number in range(1, len(tasks[task].steps) + 1):
            yield Record(f"{place} step {number}", {"video": key, "step": str(number)})


def _segments(file: Path, path: Path, place: str, key: str) -> Iterator[Record | BadRow]:
    lines = list(tsv_lines(file)) if file.is_file() and file.stat().st_size else []
    if not lines:
        what = f"video {key!r} has no steps: there is no {file}, or it is empty; fetch it, or leave --segments out"
        yield BadRow.at(place, path, NO_TEXT, what)
    for number, fields in lines:
        within, parts = f"{place} ({file.name} line {number})", "\t".join(fields).split(",")
        if len(parts) == 3:
            yield Record(within, {"video": key, "step": parts[0].strip(), "start": parts[1], "end": parts[2]})
        else:
            what = f"expected step,start,end, found {','.join(parts)[:60]!r}; correct the line"
            yield BadRow.at(within, path, MALFORMED, what)


def _read(record: Record, tasks: Mapping[str, _Task]) -> Caption:
    steps = tasks[_parts(record.id(VIDEO))[0]].steps
    number = record.values["step"]
    if not number.isdecimal() or not 1 <= int(number) <= len(steps):
        raise BadLine(f"expected the number of a step, 1 to {len(steps)}, found {number[:40]!r}; correct it")
    named = Record(record.place, {**record.values, "caption": steps[int(number) - 1]})
    caption = read_segment(named, VIDEO) if "start" in record.values else read_caption(named, VIDEO)
    return replace(caption, more={"step": int(number), **caption.more})
