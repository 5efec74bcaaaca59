"""CrossTask rows: videos of primary tasks with the times of their steps, those of related tasks with steps alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.tools.datasets.from_files import CLIPS, decoded
from tools.datasets.procedures import crosstask
from tools.rows import AnnotationError, BadRow, OptionError, Row

Write = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
TASKS = """23521
Make Jello Shots
http://www.wikihow.com/Make-Jello-Shots
3
pour water,pour juice,stir mixture

59684
Build Simple Floating Shelves
http://www.wikihow.com/Build-Simple-Floating-Shelves
2
cut shelve,assemble shelve

"""
JELLO = {"task": "23521", "title": "Make Jello Shots", "steps": ["pour water", "pour juice", "stir mixture"]}


@pytest.fixture
def tasks(text_file: Write) -> Path:
    return text_file("tasks_primary.txt", TASKS)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media/59684").mkdir(parents=True)
    for name in ("-a_b.mp4", "59684/c.mkv"):
        (tmp_path / "media" / name).touch()
    return tmp_path / "media"


def test_a_video_has_its_steps_with_times(text_file: Write, tasks: Path, media: Path) -> None:
    path = text_file(
        "videos.csv", "23521,-a_b,https://y/1\n7,zzz,https://y/2\n59684,c,https://y/3\n59684,-a_b,https://y/1\n"
    )
    text_file("annotations/23521_-a_b.csv", "3,2.1,5.7\n1,6.28,13.31\n")
    for name in ("59684_c.csv", "59684_-a_b.csv"):
        text_file(f"annotations/{name}", "1,0,1\n")
    first, second, third = crosstask.rows(path, tasks, media, path.parent / "annotations")
    steps = (
        {"caption": "stir mixture", "step": 3, "start": 2.1, "end": 5.7},
        {"caption": "pour water", "step": 1, "start": 6.28, "end": 13.31},
    )
    place = "line 1 (23521_-a_b.csv line 1)"
    assert first == Row(place, "23521_-a_b", steps, {"id": "23521_-a_b", **JELLO}, media / "-a_b.mp4")
    assert isinstance(second, Row) and second.media_path == media / "59684/c.mkv"
    assert isinstance(third, Row) and (third.key, third.media_path) == ("59684_-a_b", media / "-a_b.mp4")
    left_out = text_file("videos_val.csv", "59684,-a_b,https://y/1\n23521,-a_b,https://y/1\n")
    (row,) = crosstask.rows(path, tasks, media, path.parent / "annotations", left_out)
    assert row.record_id == "line 3 (59684_c.csv line 1)"


def test_without_segments_a_video_has_the_steps_of_its_task(text_file: Write, tasks: Path, media: Path) -> None:
    path = text_file("videos.csv", "59684,c,https://y/3\n")
    (row,) = crosstask.rows(path, tasks, media)
    assert isinstance(row, Row)
    assert row.records == ({"caption": "cut shelve", "step": 1}, {"caption": "assemble shelve", "step": 2})
    (row,) = crosstask.rows(path, tasks, media, text="paragraph")
    assert isinstance(row, Row) and row.records[0]["caption"] == "cut shelve assemble shelve"


@pytest.mark.parametrize(
    ("line", "steps", "reason"),
    [
        (
            "23521,x",
            None,
            "malformed line: videos.csv line 1: expected task,video,url with a number as task, found '2352",
        ),
        (
            "task,video,url",
            None,
            "malformed line: videos.csv line 1: expected task,video,url with a number as task, foun",
        ),
        (
            "59684,c,u",
            None,
            "malformed line: videos.csv line 2: the video 'c' of task 59684 stands in line 1 already; rem",
        ),
        (
            "23521,-a_b,u",
            None,
            "no usable text: videos.csv line 1: video '23521_-a_b' has no steps: there is no FOLDER/23",
        ),
        (
            "23521,-a_b,u",
            "",
            "no usable text: videos.csv line 1: video '23521_-a_b' has no steps: there is no FOLDER/2352",
        ),
        (
            "23521,-a_b,u",
            "1,2",
            "malformed line: videos.csv line 1 (23521_-a_b.csv line 1): expected step,start,end, found ",
        ),
        (
            "23521,-a_b,u",
            "4,1,2",
            "malformed line: videos.csv line 1 (23521_-a_b.csv line 1): expected the number of a st",
        ),
        (
            "23521,-a_b,u",
            "0,1,2",
            "malformed line: videos.csv line 1 (23521_-a_b.csv line 1): expected the number of a st",
        ),
        (
            "23521,-a_b,u",
            "x,1,2",
            "malformed line: videos.csv line 1 (23521_-a_b.csv line 1): expected the number of a st",
        ),
        (
            "23521,-a_b,u",
            "1,3,2",
            "malformed line: videos.csv line 1 (23521_-a_b.csv line 1): expected start and end in s",
        ),
        (
            "23521,d,u",
            "1,1,2",
            "media not found: videos.csv line 1 (23521_d.csv line 1): video '23521_d' with 1 step(s): no file under "
            "MEDIA for d.(mp4, ...) or 23521_d.(mp4, ...) or 23521/d.(mp4, ...); check --media",
        ),
    ],
)
def test_a_bad_line_says_file_line_reason_and_remedy(
    text_file: Write, tasks: Path, media: Path, line: str, steps: str | None, reason: str
) -> None:
    folder = text_file("annotations/59684_c.csv", "1,0,1\n").parent
    if steps is not None:
        text_file(f"annotations/{'_'.join(line.split(',')[:2])}.csv", steps)
    rows = list(crosstask.rows(text_file("videos.csv", f"{line}\n59684,c,u\n"), tasks, media, folder))
    assert any(isinstance(row, Row) and row.key == "59684_c" for row in rows)
    (bad,) = [row for row in rows if isinstance(row, BadRow)]
    assert bad.reason.startswith(reason.replace("MEDIA", str(media)).replace("FOLDER", str(folder))), bad


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TASKS + "1\nx\n", 13),
        (TASKS.replace("\n3\n", "\n4\n"), 1),
        (TASKS.replace("59684", "23521"), 7),
        (TASKS.replace("59684", "x"), 7),
    ],
)
def test_tasks_of_another_form_are_refused(text_file: Write, media: Path, text: str, line: int) -> None:
    path = text_file("videos.csv", "59684,c,u\n")
    with pytest.raises(AnnotationError, match=rf"tasks\.txt line {line}: expected a task of five lines .*, each task"):
        crosstask.rows(path, text_file("tasks.txt", text), media)


def test_a_folder_that_is_not_there_is_refused(text_file: Write, tasks: Path, media: Path) -> None:
    with pytest.raises(OptionError, match=r"no: no such folder; check --segments"):
        crosstask.rows(text_file("videos.csv", "59684,c,u\n"), tasks, media, Path("no"))


def test_every_published_step_is_kept(published: Path, one_for_all: OneForAll) -> None:
    folder = published / "crosstask"
    path, segments = folder / "videos.csv", folder / "annotations"
    media, id_map = one_for_all(line.split(",")[1] for line in path.read_text().splitlines())
    primary, related = folder / "tasks_primary.txt", folder / "tasks_related.txt"

    def kept(annotations: Path, tasks: Path, *given: Path | None) -> list[Row]:
        rows = list(crosstask.rows(annotations, tasks, media, *given, id_map=id_map))
        samples = [row for row in rows if isinstance(row, Row)]
        assert len(samples) == len(rows) and not any(row.dropped for row in samples)
        return samples

    samples = kept(path, primary, segments)
    assert len(samples) == 2750 and sum(len(row.records) for row in samples) == 20919
    assert len({row.meta["task"] for row in samples}) == 18
    assert len(kept(folder / "videos_val.csv", primary, segments)) == 360
    assert len(kept(path, primary, segments, folder / "videos_val.csv")) == 2750 - 360
    others = kept(path, related)
    assert len(others) == 4700 - 2750 and len({row.meta["task"] for row in others}) == 65


def test_from_files_to_a_decoded_batch(samples: Path, text_file: Write, tasks: Path, tmp_path: Path) -> None:
    names = [Path(name).stem for name in CLIPS]
    path = text_file("videos.csv", "".join(f"59684,{name},u\n" for name in names))
    for name in names:
        text_file(f"annotations/59684_{name}.csv", "2,0.5,1\n")
    options = ["--annotations", path, "--tasks", tasks, "--segments", tmp_path / "annotations"]
    records = decoded("crosstask", tmp_path / "out", *options, "--media", samples / "videos")
    assert records == [{"caption": "assemble shelve", "step": 2, "start": 0.5, "end": 1.0}] * len(CLIPS)
