"""LAVENDER's rule: what is left of the training data of any task has no video of val or test of any task of its set.

The union of val and test over all tasks and caption files of a set is taken from the training data of every task of it,
also of TGIF, LSMDC and DiDeMo, where the release's script ends with a KeyError, and of TGIF's actions and of captions,
which the release reads unfiltered. Rows are those that builds make, from the published files where they are at hand;
ids are compared here by a rule of one line for each set, and not by tools/leaks/ids.py.
"""

from __future__ import annotations

import json
import pickle
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from shards.base.engines import threads
from tests.guide import commands
from tests.tools.commands.command_line import invoke
from tests.tools.duplicates.conftest import BROKEN_FACTS_OF, write
from tests.tools.duplicates.test_find import keys_of, left_out
from tools.datasets.questions import lsmdc_fib, lsmdc_mc, msrvtt_qa, msvd_qa, tgif_qa
from tools.datasets.retrieval import didemo, lsmdc, msrvtt, msvd
from tools.leaks.find import find_leaks
from tools.rows import BadRow, OptionError, Row

TextFile = Callable[[str, str | bytes], Path]
OneForAll = Callable[[Iterable[str]], tuple[Path, Path]]
Rows = Iterator[Row | BadRow]


def videos(rows: Rows) -> dict[str, str]:
    """The ids of rows by their keys."""
    return {row.key: str(row.meta["id"]) for row in rows if isinstance(row, Row)}


def excluded(train: Sequence[Path | str], evaluation: Sequence[Path | str], out: Path, **others: Path) -> set[str]:
    """The keys that `tools leaks` leaves out."""
    find_leaks([*map(str, train)], [*map(str, evaluation)], out, engine=threads(2), ids_only=True, **others)  # type: ignore[arg-type]
    return {line["key"] for line in left_out(out)}


def check_disjoint(train: dict[str, str], gone: set[str], others: set[str], plain: Callable[[str], str]) -> int:
    """What is left has none of the others, and only what they have is gone; returns the number that is gone."""
    banned = set(map(plain, others))
    assert not {plain(video) for key, video in train.items() if key not in gone} & banned
    taken = {plain(video) for key, video in train.items() if key in gone}
    assert taken <= banned
    return len(taken)


ROOT = Path(__file__).parents[3]
SPELLED: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "msrvtt": (lambda n: f"video{n}", lambda n: f"msr{n}"),
    "msvd": (lambda n: f"-4wsuPCjD{n}_{n}_{n + 9}", lambda n: f"vid{n}"),
    "didemo": (lambda n: f"35034{n}@N01_6060{n}_dc1a", lambda n: f"35034{n}@N01_6060{n}_dc1a.3gp"),
    "lsmdc": (lambda n: f"1041_This_is_40_00.42.{n}.330", lambda n: f"1041_This_is_40_00.42.{n}.330.avi"),
    "tgif": (lambda n: f"tumblr_na{n}zl1_400", lambda n: f"https://38.media.tumblr.com/x/tumblr_na{n}zl1_400.gif"),
}
"""Id of video number n of a set, and another spelling of it."""


def set_of(name: str) -> str:
    return re.split(r"[_-]", name)[0]


@pytest.mark.long
def test_the_command_of_the_guide_leaves_no_video_of_val_or_test_in_any_training_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = [c for c in commands((ROOT / "docs/datasets.md").read_text()) if "tools leaks" in c]
    words = shlex.split(command)[3:]
    sides: dict[str, dict[str, str]] = {"--train": {}, "--eval": {}}
    for option, value in pairwise(words):
        if option in sides:
            name, _, path = value.partition("=")
            sides[option][name] = path
    assert len(sides["--train"]) == 13 and len(sides["--eval"]) == 24
    monkeypatch.chdir(tmp_path)
    Path("raw/msvd_qa").mkdir(parents=True)
    mapping = [f"{SPELLED['msvd'][0](n)} vid{n}\n" for n in range(10, 99)]
    Path("raw/msvd_qa/youtube_mapping.txt").write_text("".join(mapping))
    scored: dict[str, list[int]] = {}
    for number, (name, path) in enumerate(sides["--eval"].items(), 10):
        scored.setdefault(set_of(name), []).append(number)
        ids = {f"k{number}": SPELLED[set_of(name)][1](number)}
        write(Path(path), {f"k{number}": BROKEN_FACTS_OF}, "tgif_qa" if set_of(name) == "tgif" else name, ids)
    for name, path in sides["--train"].items():
        ids = {f"v{n}": SPELLED[set_of(name)][0](n) for n in (*scored[set_of(name)], 90, 91)}
        if not Path(path).exists():  # retrieval and captions of MSVD train on one dataset
            write(Path(path), dict.fromkeys(ids, BROKEN_FACTS_OF), "tgif_qa" if set_of(name) == "tgif" else name, ids)
    done = invoke(*words)
    assert done.exit_code == 0, done.stderr
    for name, path in sides["--train"].items():
        assert sorted(keys_of(Path(path), Path("data/leaks/exclude.jsonl"), name)) == ["v90", "v91"], name


@pytest.mark.long
def test_msrvtt(published: Path, text_file: TextFile, one_for_all: OneForAll, tmp_path: Path) -> None:
    """9k and 7k of retrieval and train of captions, without val and test of captions, questions and retrieval."""
    folder, named = published / "msrvtt_ret", [f"video{number}" for number in range(10_000)]
    media, id_map = one_for_all(named)
    splits = ["train"] * 6513 + ["validate"] * 497 + ["test"] * 2990
    listed = [{"video_id": name, "split": split} for name, split in zip(named, splits, strict=True)]
    said = [{"video_id": name, "caption": "c", "sen_id": n} for n, name in enumerate(named)]
    data = text_file("MSRVTT_data.json", json.dumps({"videos": listed, "sentences": said}))
    asked = [published / "msrvtt_qa" / name for name in ("val.jsonl", "hqga_test.csv")]
    evaluation = [folder / "MSRVTT_JSFUSION_test.csv", folder / "malmm_cap_val.json", data, *asked]
    others = set(videos(msrvtt.rows(evaluation[0], media, None, None, id_map)))
    others |= {*videos(msrvtt_qa.rows(asked[0], media, id_map)), *videos(msrvtt_qa.rows(asked[1], media, id_map))}
    for split in ("val", "test"):
        others |= set(videos(msrvtt.rows(data, media, split, None, id_map)))
    assert len(others) == 3487
    for name, number in (("MSRVTT_train.9k.csv", 2487), ("MSRVTT_train.7k.csv", 497)):
        train = videos(msrvtt.rows(data, media, None, folder / name, id_map))
        gone = excluded([f"msrvtt={folder / name}"], evaluation, tmp_path / name)
        assert check_disjoint(train, gone, others, lambda video: video) == number


@pytest.mark.long
def test_tgif(published: Path, one_for_all: OneForAll, tmp_path: Path) -> None:
    """Actions and counts, without the GIFs of test of any of the four tasks and of val of VIOLET's actions."""
    folder, kinds = published / "tgif_qa", ("action", "transition", "count", "frameqa")
    tests = [folder / f"Test_{kind}_question.csv" for kind in kinds]
    violet = folder / "violet_txt_tgif-action.json"
    names = set()
    for path in (*tests, *(folder / f"Train_{kind}_question.csv" for kind in ("action", "count"))):
        names |= {line.partition("\t")[0] for line in path.read_text().splitlines()[1:]}
    names |= {asked["video"] for asked in json.loads(violet.read_text())["val"]}
    media, id_map = one_for_all(names)
    others = {video for path in tests for video in videos(tgif_qa.rows(path, media, id_map))}
    for split in ("val", "test"):
        others |= set(videos(tgif_qa.rows(violet, media, id_map, split)))
    for kind, number in (("action", 446), ("count", 84)):
        path = folder / f"Train_{kind}_question.csv"
        gone = excluded([path], [*tests, violet], tmp_path / kind)
        train = videos(tgif_qa.rows(path, media, id_map))
        assert check_disjoint(train, gone, others, lambda video: video) == number
    addresses = excluded([folder / "Train_count_question.csv"], [published / "tgif/splits_test.txt"], tmp_path / "urls")
    test = set(re.findall(r"(\w+)\.gif$", (published / "tgif/splits_test.txt").read_text(), re.MULTILINE))
    assert addresses and addresses <= test


def test_tgif_by_number_is_not_compared_with_names(published: Path, tmp_path: Path) -> None:
    folder = published / "tgif_qa"
    with pytest.raises(OptionError, match=r"^tgif: hqga_frameqa_train.csv has the number .*: give files that name the"):
        excluded([folder / "hqga_frameqa_train.csv"], [folder / "Test_frameqa_question.csv"], tmp_path)


@pytest.mark.long
def test_msvd(published: Path, text_file: TextFile, one_for_all: OneForAll, tmp_path: Path) -> None:
    """Questions by number and captions by name, joined by the mapping; a pickle of the captions of all splits."""
    lists = {name: (published / f"msvd_cap/{name}_list.txt").read_text().split() for name in ("train", "test")}
    said = json.loads((published / "msvd_cap/malmm_cap_val.json").read_text()).values()
    val = list(dict.fromkeys(caption["video"] for caption in said))
    named = [*lists["train"], *val, *lists["test"]]
    mapping = text_file("youtube_mapping.txt", "".join(f"{name} vid{n}\n" for n, name in enumerate(named, 1)))
    media, id_map = one_for_all([*named, *(f"vid{n}" for n in range(1, 1971))])
    raw = text_file("raw-captions.pkl", pickle.dumps({name: [["a", "clip"]] for name in named}, 2))
    asked = {split: published / f"msvd_qa/{split}_qa.json" for split in ("train", "val", "test")}
    evaluation: list[Path] = [published / "msvd_cap/malmm_coco_gt_cap_val.json", published / "msvd_cap/test_list.txt"]
    evaluation += [asked["val"], asked["test"], published / "msvd_qa/violet_txt_msvd-qa.json"]
    others = set(val) | set(lists["test"])
    others |= {named[int(q["video_id"]) - 1] for split in ("val", "test") for q in json.loads(asked[split].read_text())}
    parts = json.loads(evaluation[-1].read_text())
    others |= {question["video"] for split in ("val", "test") for question in parts[split]}
    gone = excluded([f"msvd={raw}", asked["train"]], evaluation, tmp_path / "out", id_map=mapping)
    assert check_disjoint(videos(msvd.rows(raw, media, id_map=id_map)), gone, others, lambda video: video) >= 770
    train = videos(msvd_qa.rows(asked["train"], media, id_map))
    numbered = {key: named[int(video.removeprefix("vid")) - 1] for key, video in train.items()}
    assert numbered and check_disjoint(numbered, gone, others, lambda video: video) >= 0
    with pytest.raises(OptionError, match=r"msvd: .* the number 'vid\d+' and .* the name .*: give its youtube_mapping"):
        excluded([f"msvd={raw}"], [asked["val"]], tmp_path / "none")


@pytest.mark.long
def test_didemo(published: Path, text_file: TextFile, one_for_all: OneForAll, tmp_path: Path) -> None:
    """Videos of val and test planted in train, with other extensions or none."""
    folder = published / "didemo"
    entries = {split: json.loads((folder / f"{split}_data.json").read_text()) for split in ("val", "test")}
    planted = [
        {**entry, "video": entry["video"].partition(".")[0] + extension}
        for split in ("val", "test")
        for entry, extension in zip(entries[split][:40], (".mov", ".3gp", "", ".m4v", ".") * 8, strict=True)
    ]
    own = [{**planted[0], "video": f"{number}@N00_{number}_abcdef.mov"} for number in range(50)]
    path = text_file("train_data.json", json.dumps([*planted, *own]))
    every = [entry["video"].partition(".")[0] for entry in (*planted, *own, *entries["val"], *entries["test"])]
    media, id_map = one_for_all(every)
    tests = [folder / f"{split}_data.json" for split in ("val", "test")]
    others = {video for test in tests for video in videos(didemo.rows(test, media, id_map=id_map)).values()}
    train = videos(didemo.rows(path, media, id_map=id_map))
    gone = excluded([f"didemo={path}"], [f"didemo={tests[0]}", f"didemo={tests[1]}"], tmp_path / "out")
    number = check_disjoint(train, gone, others, lambda video: video.partition(".")[0])
    assert number == len(train) - 50 > 60


@pytest.mark.long
def test_lsmdc(published: Path, text_file: TextFile, one_for_all: OneForAll, tmp_path: Path) -> None:
    """Real clips: train made of those of MPII-MD, val of the fill-in challenge; .avi in one file only."""
    film = (published / "lsmdc/tgif_gif2movie_MPII-MD.tsv").read_text().splitlines()
    clips = [line.partition("\t")[0] for line in film]
    val = (published / "lsmdc/fillin_references_val_new.csv").read_text().splitlines()[:3000]
    planted = [line.partition("\t")[0] for line in val][:200:4]
    times, five = "\t0\t1\t0\t1\t", "\t".join(["a b"] * 5)
    blanks = [f"{clip}{times}A b.\tA _____.\tb\n" for clip in (*clips[:1000], *planted)]
    notes = {
        "lsmdc": text_file("annos_training.csv", "".join(f"{clip}{times}A b.\n" for clip in (*clips, *planted))),
        "lsmdc_fib": text_file("training_FIB.csv", "".join(blanks)),
        "lsmdc_mc": text_file("mc_train.csv", "".join(f"{clip}{times}{five}\n" for clip in clips[:300] + planted)),
    }
    test = text_file("mc_test.json", json.dumps({"train": [{"video": "x"}], "test": [{"video": f"{clips[5]}"}]}))
    media, id_map = one_for_all(name.removesuffix(".avi") for name in (*clips, *planted))
    plain: Callable[[str], str] = lambda video: video.removesuffix(".avi")  # noqa: E731
    others = {line.partition("\t")[0] for line in val} | {clips[5]}
    evaluation = [f"lsmdc={text_file('val.csv', chr(10).join(val))}", f"lsmdc={test}"]
    gone = excluded([f"{name}={path}" for name, path in notes.items()], evaluation, tmp_path / "out")
    for name, rows in (("lsmdc", lsmdc.rows), ("lsmdc_fib", lsmdc_fib.rows), ("lsmdc_mc", lsmdc_mc.rows)):
        train = videos(rows(notes[name], media, id_map=id_map))
        assert check_disjoint(train, gone, others, plain) >= len(planted) + 1
