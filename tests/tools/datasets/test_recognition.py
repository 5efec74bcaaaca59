"""The file of another dataset is refused with the name of that one; no real file is refused by its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.commands.command_line import invoke
from tools.datasets import DATASETS
from tools.datasets.recognition import check_dataset
from tools.rows import AnnotationError

Write = Callable[[str, str | bytes], Path]
CLIP = "0001_American_Beauty_00.00.51.926-00.00.54.129\t0\t1.5\t0\t1"
OPTIONS = {f"option_{n}": "x" for n in range(5)}
FILES: dict[str, tuple[str, str]] = {
    "tgif_qa": ("a.csv", "gif_name\tquestion\tanswer\tvid_id\tkey\ng\tq\t3\tCOUNT1\t5\n"),
    "nextqa": (
        "a.csv",
        "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n1,2,3,4,q,0,1,CW,a,b,c,d,e\n",
    ),
    "nextqa_oe": ("a.csv", "video,frame_count,width,height,question,answer,qid,type\n1,2,3,4,q,a,1,CW\n"),
    "msrvtt_qa": ("a.csv", "video,question,answer,qid,type\n1,q,a,1,1\n"),
    "msvd_qa": ("a.csv", "video,width,height,question,answer,qid\n1,2,3,q,a,1\n"),
    "msrvtt_mc": ("a.csv", "key\tvid_key\ta1\ta2\ta3\ta4\ta5\tanswer\nk\tmsr1\ta\tb\tc\td\te\t0\n"),
    "msrvtt": ("a.csv", "key,vid_key,video_id,sentence\nret0,msr1,video1,c\n"),
    "webvid": ("a.csv", "videoid,contentUrl,duration,page_dir,name\n1,u,d,p,n\n"),
    "youcook2": ("a.csv", "end,start,task,text,video_id\n1,0,5,t,v\n"),
    "howto100m": ("a.json", json.dumps({"abc": {"start": [1], "end": [2], "text": ["t"]}})),
    "crosstask": ("a.csv", "41950,UYTGe1ixPcc,https://www.youtube.com/watch?v=UYTGe1ixPcc\n"),
    "lsmdc": ("a.csv", f"{CLIP}\tSOMEONE sits.\n"),
    "lsmdc_fib": ("a.csv", f"{CLIP}\tA b.\tA _____.\tb\n"),
    "lsmdc_mc": ("a.csv", f"{CLIP}\ta\tb\tc\td\te\n"),
    "activitynet_captions": ("a.json", json.dumps({"v_1": {"duration": 1, "timestamps": [], "sentences": []}})),
    "activitynet_qa": ("a.json", json.dumps([{"video_name": "v", "question": "q", "question_id": "1"}])),
    "didemo": ("a.json", json.dumps([{"video": "v", "description": "d", "times": [[0, 0]], "annotation_id": 1}])),
    "coin": (
        "a.json",
        json.dumps([{"v": {"recipe_type": 1, "subset": "x", "annotation": [{"segment": [0, 1], "label": "l"}]}}]),
    ),
    "cc3m": ("a.json", json.dumps([{"image": "a.jpg", "caption": "c"}])),
    "msvd": (
        "a.json",
        json.dumps({"0": {"image_id": "bQJQGoJF7_k_1_2.avi", "caption": "c", "video": "v", "frame_length": 1}}),
    ),
}
SHARED = {("msrvtt_qa", "msvd_qa"), ("msvd_qa", "tgif_qa"), ("cc3m", "cc12m")}
"""(whose file, who reads it as well)."""


@pytest.mark.parametrize("given", FILES)
def test_a_file_is_refused_by_every_dataset_but_its_own(text_file: Write, given: str) -> None:
    path = text_file(*FILES[given])
    for dataset in DATASETS:
        if dataset == given or (given, dataset) in SHARED:
            check_dataset(dataset, path)
            continue
        with pytest.raises(AnnotationError, match=rf"a\.\w+: looks like an annotation file of .*\b{given}\b") as error:
            check_dataset(dataset, path)
        assert f"not of {dataset}; give the one of {dataset}, or run: python -m tools build " in str(error.value)


def test_what_is_not_recognised_is_left_to_the_dataset(text_file: Write, tmp_path: Path) -> None:
    for name, content in (
        ("a.csv", "video_id,text\n1,a\n"),
        ("a.csv", ""),
        ("a.json", "{"),
        ("a.pkl", "x"),
        ("a.jsonl", '{"video": "v", "caption": "c"}\n'),
        ("a.tsv", "a cat\thttps://h/1.jpg\n"),
    ):
        for dataset in DATASETS:
            check_dataset(dataset, text_file(name, content))
    check_dataset("webvid", tmp_path / "no.csv")


def test_the_command_says_it_in_one_line(text_file: Write, tmp_path: Path) -> None:
    path = text_file(*FILES["nextqa"])
    done = invoke("build", "nextqa_oe", "--annotations", path, "--media", tmp_path, "--out", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (
        1,
        f"error: {path}: looks like an annotation file of nextqa (it has a0, a4, answer, qid, question, type, video), "
        "not of nextqa_oe; give the one of nextqa_oe, or run: python -m tools build nextqa\n",
    )
    assert not (tmp_path / "out").exists()


OWN = {
    "activitynet_captions": ("activitynet_cap/val_1.json",),
    "activitynet_qa": tuple(f"activitynet_qa/{split}_q.json" for split in ("train", "val", "test")),
    "cc3m": ("cc3m/violet_txt_cc3m.json",),
    "coin": ("coin/pdpp_coin_test_30.json", "coin/pdpp_coin_train_70.json"),
    "crosstask": ("crosstask/videos.csv", "crosstask/videos_val.csv"),
    "didemo": ("didemo/val_data.json", "didemo/test_data.json"),
    "msrvtt": (
        "msrvtt_ret/MSRVTT_JSFUSION_test.csv",
        "msrvtt_ret/malmm_cap_val.json",
        "msrvtt_ret/violet_txt_msrvtt-retrieval.json",
        "msrvtt_ret/milnce_msrvtt_test.csv",
    ),
    "msrvtt_qa": tuple(f"msrvtt_qa/{name}" for name in ("hqga_test.csv", "malmm_qa_val.json", "val.jsonl")),
    "msvd": ("msvd_cap/malmm_cap_val.json", "msvd_cap/malmm_coco_gt_cap_val.json"),
    "msvd_qa": (
        "msvd_qa/train_qa.json",
        "msvd_qa/hqga_train.csv",
        "msvd_qa/malmm_qa_val.json",
        "msvd_qa/violet_txt_msvd-qa.json",
    ),
    "nextqa": ("nextqa/val.csv", "nextqa/lgva_next_val_qa.json", "nextgqa/val.csv"),
    "nextqa_oe": ("nextqa_oe/train.csv", "nextqa_oe/val.csv", "nextqa_oe/test.csv"),
    "tgif_qa": (
        "tgif_qa/Test_action_question.csv",
        "tgif_qa/Test_count_question.csv",
        "tgif_qa/Test_frameqa_question.csv",
        "tgif_qa/Test_transition_question.csv",
        "tgif_qa/hqga_frameqa_train.csv",
        "tgif_qa/violet_txt_tgif-action.json",
    ),
    "webvid": ("webvid/video2dataset_test_webvid.csv", "webvid/violet_txt_webvid2.5m.json"),
    "youcook2": ("youcook2/youcookii_annotations_trainval.json", "youcook2/milnce_validation_youcook.csv"),
}


@pytest.mark.parametrize("dataset", OWN)
def test_no_published_file_is_refused_by_its_own_dataset(published: Path, dataset: str) -> None:
    for name in OWN[dataset]:
        check_dataset(dataset, published / name)


def test_no_file_of_the_corpus_and_the_samples_is_refused(corpus: Path, samples: Path) -> None:
    folders = {"webvid_like": "webvid", "odd_captions": "webvid", "cc3m_like": "cc3m", "msrvtt_like": "msrvtt"}
    for path in (corpus / "annotations").glob("*/*.*"):
        dataset = folders.get(path.parent.name, path.parent.name)
        if dataset == "lsmdc":
            dataset = "lsmdc_fib" if "FIB" in path.name else "lsmdc_mc" if "choice" in path.name else "lsmdc"
        is_other = any(
            part in path.name for part in ("map", "_to_file", "ans2label", "_a.json", "add_ref", "videos.json")
        )
        if not is_other:
            check_dataset(dataset, path)
    for dataset in ("webvid", "cc3m", "msrvtt_qa"):
        for path in (samples / dataset).glob("*.[cjt]*"):
            check_dataset(dataset, path)
