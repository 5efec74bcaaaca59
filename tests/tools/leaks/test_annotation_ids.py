"""Ids of annotation files of the published forms."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.leaks.annotation_ids import FileId, annotation_ids
from tools.rows import AnnotationError, OptionError

TextFile = Callable[[str, str | bytes], Path]


def texts(path: Path, is_training: bool = False) -> list[str]:
    return [identifier.text for identifier in annotation_ids(path, is_training)]


@pytest.mark.parametrize(
    ("value", "train", "evaluation"),
    [
        ([{"video_id": 1}, {"video_id": 1}, {"video_id": 2}], ["1", "2"], ["1", "2"]),
        ({"train": [{"video": "a"}], "val": [{"video": "b"}], "test": [{"video": "c"}]}, ["a"], ["b", "c"]),
        ({"train": {"7": ["x"]}, "val": {"8": ["y"]}}, ["7"], ["8"]),
        ({"0": {"video": "a", "caption": "x"}, "1": {"video": "b"}}, ["a", "b"], ["a", "b"]),
        ({"v_x": {"duration": 3, "timestamps": []}}, ["v_x"], ["v_x"]),
        ({"database": {"p": {"subset": "training"}, "q": {"subset": "validation"}}}, ["p"], ["q"]),
        ({"images": [{"id": "c1"}], "annotations": [{"image_id": "c1"}]}, ["c1"], ["c1"]),
        ({"-4wsuPCjDBc_5_15": [["a", "dog"]]}, ["-4wsuPCjDBc_5_15"], ["-4wsuPCjDBc_5_15"]),
        ({"videos": [{"video_id": "v0", "split": "train"}, {"video_id": "v1", "split": "test"}]}, ["v0"], ["v1"]),
        (["a", "b"], ["a", "b"], ["a", "b"]),
        ({"train": [{"video": "a"}], "test": [{"video": "b"}], "vocab": ["x", "y"]}, ["a"], ["b"]),
        ({"train": [{"video": "a"}], "val": [{"video": "b"}], "ans2label": {"x": 0}}, ["a"], ["b"]),
        ({"train": [{"video": "a"}], "label2ans": {"0": "x"}, "val": []}, ["a"], None),
        ({"train": [{"video": "a"}], "dev": [{"video": "b"}], "test_1k": [{"video": "c"}]}, ["a", "c"], ["b", "c"]),
    ],
)
def test_forms_of_json(text_file: TextFile, value: Any, train: list[str], evaluation: list[str] | None) -> None:
    path = text_file("x.json", json.dumps(value))
    assert texts(path, True) == train
    if evaluation is None:
        with pytest.raises(AnnotationError, match="no id of a video of the evaluation side was found"):
            texts(path)
        return
    assert texts(path) == evaluation
    pickled = text_file("x.pkl", pickle.dumps(value))
    assert (texts(pickled, True), texts(pickled)) == (train, evaluation)


def test_a_pickle_that_would_run_something_is_refused(text_file: TextFile) -> None:
    with pytest.raises(AnnotationError, match=r"x.pkl: the pickle .*posix.system"):
        texts(text_file("x.pkl", b"cposix\nsystem\n(S'ls'\ntR."))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.txt", "a\nb\n\n"),
        ("x.csv", 'key,video_id,sentence\n1,a,"x, y"\n2,b,z\n'),
        ("x.tsv", "gif_name\tquestion\na\tx\nb\ty\n"),
        ("lsmdc.csv", "a\t00.1\t00.2\tSomeone sits.\nb\t1\t2\tx\n"),
        ("x.jsonl", '{"clip_name": "a"}\n{"clip_name": "b"}\n'),
    ],
)
def test_forms_of_lines(text_file: TextFile, name: str, content: str) -> None:
    assert texts(text_file(name, content)) == ["a", "b"]


def test_the_film_is_kept(text_file: TextFile) -> None:
    entry = {
        "video_id": "video0",
        "split": "test",
        "url": "https://youtu.be/9lZi22qLlEo",
        "start time": 1.5,
        "end time": 9,
    }
    (found,) = annotation_ids(text_file("x.json", json.dumps({"videos": [entry], "sentences": []})), False)
    assert found == FileId("video0", ("https://youtu.be/9lZi22qLlEo", 1.5, 9.0))


def test_files_without_ids_are_refused(text_file: TextFile, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no id of a video of the training side"):
        annotation_ids(text_file("x.json", '{"val": {"a": []}}'), True)
    with pytest.raises(AnnotationError, match="the file is empty"):
        annotation_ids(text_file("y.json", ""), True)
    with pytest.raises(AnnotationError, match="not a parquet file"):
        annotation_ids(text_file("z.parquet", "video_ids,x\na,b\n"), True)
    with pytest.raises(OptionError, match="no such file"):
        annotation_ids(tmp_path / "none.json", True)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("msrvtt_ret/MSRVTT_JSFUSION_test.csv", 1000),
        ("msrvtt_ret/MSRVTT_train.9k.csv", 9000),
        ("msvd_cap/test_list.txt", 670),
        ("msvd_cap/malmm_coco_gt_cap_val.json", 100),
        ("msvd_qa/violet_txt_msvd-qa.json", 93),
        ("didemo/val_data.json", 1065),
        ("msvd_qa/test_qa.json", 504),
    ],
)
def test_published_files_have_their_videos(published: Path, name: str, number: int) -> None:
    assert len(annotation_ids(published / name, "train" in name)) == pytest.approx(number, abs=number // 20 + 1)
