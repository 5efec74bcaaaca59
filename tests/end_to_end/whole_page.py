"""Whole pages of docs/ that train and score, run as written over the corpus, after the builds of docs/datasets.md.

Only sizes are changed, by what is added to a command: a tiny model, few steps, few rows.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcg.config import RunConfig, load_config
from tests.didemo_like import write_didemo_like
from tests.end_to_end.in_turn import call_all
from tests.guide import commands, options
from tests.lavender_like import write_msrvtt_mc, write_msvd
from tests.small_configs import ROOT, shrink

_DATASETS = [line for page in ("datasets", "containers") for line in commands((ROOT / f"docs/{page}.md").read_text())]
_BUILDS = [line for line in _DATASETS if "-m tools build" in line]
_COPIES = [line for line in _DATASETS if line.startswith("cp ")]
_TAB = "\t"
_FROM_OTHERS = (
    "init_from=",
    "task.answer_list=",
    "task.training_captions=",
    "objectives.entity_prompting.prompter=",
    "objectives.entity_prompting.entities=",
)
"""Overrides that make a run independent of the commands before it."""


@dataclass(frozen=True)
class Done:
    """What the commands left, and said."""

    folder: Path
    said: dict[str, str]

    def scores(self, results: str) -> dict[str, Any]:
        """The metrics in a folder of results."""
        found: dict[str, Any] = json.loads((self.folder / results / "metrics.json").read_text())
        return found


def run_page(
    written: Sequence[str], folder: Path, few: Mapping[str, int], more: Callable[[list[str]], Sequence[str]]
) -> Done:
    """Run the builds of all datasets that the commands read, and then the commands, in a folder where raw/ lies.

    few: rows that are built of the splits of each name. more: what is added to the words of a command.
    """
    for name in ("configs", "train.py"):
        (folder / name).symlink_to(ROOT / name)
    for line in _COPIES:
        _, file, place = shlex.split(line, comments=True)
        if (folder / file).is_file():
            (folder / place).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / file, folder / place)
    builds = _builds(written)
    words = [[*_words(line), "--limit", str(few[Path(options(line)["out"]).name])] for line in builds]
    words += [[*_words(line), *more(_words(line))] for line in written]
    ran = call_all(words, home=folder)
    for command, result in zip([*builds, *written], ran, strict=True):
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return Done(
        folder,
        {command: result.stdout + result.stderr for command, result in zip(written, ran[len(builds) :], strict=True)},
    )


def _words(command: str) -> list[str]:
    """What follows `python` or `deepspeed`."""
    return shlex.split(command, comments=True)[1:]


def config_of(words: Sequence[str]) -> RunConfig:
    """The config of a command, with its own overrides."""
    name = options(shlex.join(words))["config"]
    return load_config(ROOT / name, [word for word in words if "=" in word])


def shrunk(words: Sequence[str], num_frames: int) -> list[str]:
    """Overrides that make a command with a config small, and leave what it takes from others as it is."""
    made = shrink(options(shlex.join(words))["config"], ROOT, ROOT, num_frames=num_frames)
    return [word for word in made if not word.startswith(_FROM_OTHERS)]


def _builds(written: Sequence[str]) -> list[str]:
    configs = [config_of(_words(line)) for line in written if "--config" in line]
    loaders = [loader for c in configs for loader in (c.data.train, c.data.val, c.data.test) if loader is not None]
    wanted = {dataset.path for loader in loaders for dataset in loader.blend}
    found = {options(line)["out"]: line for line in reversed(_BUILDS)}  # of two forms the first
    assert wanted <= set(found)
    return [found[path] for path in sorted(wanted)]


def write_captioned(corpus: Path, raw: Path) -> None:
    """WebVid, CC3M, MSR-VTT and DiDeMo, files and media, under the names that docs/datasets.md gives them."""
    notes, like = corpus / "annotations", corpus / "annotations/msrvtt_like"
    for folder in ("webvid", "cc3m", "msrvtt", "MSRVTT/videos"):
        (raw / folder).mkdir(parents=True)
    for name in ("results_2M_train.csv", "results_2M_val.csv"):
        (raw / "webvid" / name).symlink_to(notes / "webvid_like" / name)
    (raw / "webvid/videos").symlink_to(corpus / "videos")
    (raw / "cc3m/Train_GCC-training.tsv").symlink_to(notes / "cc3m_like/Train_GCC-training.tsv")
    (raw / "cc3m/images").symlink_to(corpus / "images")
    for name in ("MSRVTT_data.json", "MSRVTT_JSFUSION_test.csv", "MSRVTT_train.9k.csv"):
        (raw / "msrvtt" / name).symlink_to(like / name)
    videos = json.loads((like / "MSRVTT_data.json").read_text())["videos"]
    listed = [video["video_id"] for video in videos if video["split"] in ("train", "validate")]
    (raw / "msrvtt/MSRVTT_train.7k.csv").write_text("\n".join(["video_id", *listed]) + "\n")
    for video, file in json.loads((like / "video_id_to_file.json").read_text()).items():
        (raw / f"MSRVTT/videos/{video}{Path(file).suffix}").symlink_to(corpus / "videos" / file)
    write_didemo_like(corpus, raw / "didemo")


def write_questions(corpus: Path, raw: Path) -> None:
    """MSRVTT-QA and MC, MSVD, LSMDC and TGIF-QA, files and media, under the names that docs/datasets.md gives them."""
    notes = corpus / "annotations"
    for name in ("msrvtt_qa", "msvd_qa", "lsmdc", "tgif_qa"):
        (raw / name).mkdir()
        for file in (notes / name).iterdir():
            if file.is_file():
                (raw / name / file.name).symlink_to(file)
    answers = dict.fromkeys(asked["answer"] for asked in json.loads((notes / "msvd_qa/train_qa.json").read_text()))
    numbers = {answer: number for number, answer in enumerate(answers)}
    (raw / "msvd_qa/train_ans2label.json").write_text(json.dumps(numbers))
    (raw / "lsmdc/LSMDC16_challenge_1000_publictect.csv").symlink_to(notes / "lsmdc/LSMDC16_annos_test.csv")
    for clip, file in json.loads((notes / "lsmdc/clip_id_to_file.json").read_text()).items():
        film = raw / "lsmdc/videos" / clip[: clip.rindex("_")]
        film.mkdir(parents=True, exist_ok=True)
        (film / f"{clip}{Path(file).suffix}").symlink_to(corpus / "videos" / file)
    (raw / "gifs").symlink_to(notes / "tgif_qa/gifs")
    for kind in ("action", "transition"):  # of every GIF: a tenth of those of training are val
        file = raw / f"tgif_qa/Train_{kind}_question.csv"
        header, first, *_ = file.read_text().splitlines()
        rows = [f"{gif.stem}\t{first.partition(_TAB)[2]}" for gif in sorted((raw / "gifs").iterdir())]
        file.unlink()
        file.write_text("".join(f"{line}\n" for line in (header, *rows)))
    (raw / "msrvtt_mc").mkdir()
    write_msrvtt_mc(corpus, raw / "msrvtt_mc")
    (write_msvd(corpus, raw / "msvd") / "YouTubeClips").rename(raw / "YouTubeClips")
    named = dict(line.split()[::-1] for line in (notes / "msvd_qa/youtube_mapping.txt").read_text().splitlines())
    for number, file in json.loads((notes / "msvd_qa/vid_to_file.json").read_text()).items():
        (raw / f"YouTubeClips/{named[number]}{Path(file).suffix}").symlink_to(corpus / "videos" / file)
