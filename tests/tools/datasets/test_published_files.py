"""Every annotation file at hand is accounted for: read whole by a test, with the count of its source, or why not.

Counts are those of SOURCES.csv, less the header line of a table. What else is in a file (splits, vocabularies, lists of
images) is added up here, and the test that reads it is named.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HEADER = 1
READ = {
    "activitynet_cap/val_1.json": ("retrieval/test_activitynet_captions.py", 4917),
    "activitynet_qa/test_a.json": ("questions/test_activitynet_qa.py", 8000),
    "activitynet_qa/test_q.json": ("questions/test_activitynet_qa.py", 8000),
    "activitynet_qa/train_a.json": ("questions/test_activitynet_qa.py", 32000),
    "activitynet_qa/train_q.json": ("questions/test_activitynet_qa.py", 32000),
    "activitynet_qa/val_a.json": ("questions/test_activitynet_qa.py", 18000),
    "activitynet_qa/val_q.json": ("questions/test_activitynet_qa.py", 18000),
    "cc3m/violet_img_cc3m_val.tsv": ("pretraining/test_cc3m.py", 50),
    "cc3m/violet_txt_cc3m.json": ("pretraining/test_cc3m.py", 400 + 50),
    "coin/pdpp_coin_test_30.json": ("procedures/test_coin.py", 3006),
    "coin/pdpp_coin_train_70.json": ("procedures/test_coin.py", 7064),
    "crosstask/tasks_primary.txt": ("procedures/test_crosstask.py", 5 * 18),
    "crosstask/tasks_related.txt": ("procedures/test_crosstask.py", 5 * 65),
    "crosstask/videos.csv": ("procedures/test_crosstask.py", 2750 + 1950),
    "crosstask/videos_val.csv": ("procedures/test_crosstask.py", 360),
    "didemo/test_data.json": ("retrieval/test_didemo.py", 4021),
    "didemo/val_data.json": ("retrieval/test_didemo.py", 4180),
    "lsmdc/fillin_references_val_new.csv": ("questions/test_lsmdc_fib.py", 7408),
    "lsmdc/tgif_gif2movie_MPII-MD.tsv": ("questions/test_lsmdc_fib.py", 6580),
    "msrvtt_qa/hqga_test.csv": ("questions/test_msrvtt_qa.py", 72821 + HEADER),
    "msrvtt_qa/hqga_val.csv": ("questions/test_msrvtt_qa.py", 8337 + 3439 + 344 + 106 + 52 + HEADER),
    "msrvtt_qa/malmm_qa_val.json": ("questions/test_msrvtt_qa.py", 8337 + 3439 + 344 + 106 + 52),
    "msrvtt_qa/val.jsonl": ("questions/test_msrvtt_qa.py", 8337 + 3439 + 344 + 106 + 52),
    "msrvtt_ret/MSRVTT_JSFUSION_test.csv": ("retrieval/test_msrvtt.py", 1000 + HEADER),
    "msrvtt_ret/MSRVTT_train.7k.csv": ("retrieval/test_msrvtt.py", 7010 + HEADER),
    "msrvtt_ret/MSRVTT_train.9k.csv": ("retrieval/test_msrvtt.py", 9000 + HEADER),
    "msrvtt_ret/malmm_cap_val.json": ("retrieval/test_msrvtt.py", 9940),
    "msrvtt_ret/milnce_msrvtt_test.csv": ("retrieval/test_msrvtt.py", 1000 + HEADER),
    "msrvtt_ret/violet_txt_msrvtt-retrieval.json": ("retrieval/test_msrvtt.py", 200 + 50 + 50),
    "msvd_cap/malmm_cap_val.json": ("retrieval/test_msvd.py", 4290),
    "msvd_cap/malmm_coco_gt_cap_val.json": ("retrieval/test_msvd.py", 4290 + 100),
    "msvd_cap/test_list.txt": ("retrieval/test_msvd.py", 670),
    "msvd_cap/train_list.txt": ("retrieval/test_msvd.py", 1200),
    "msvd_qa/hqga_train.csv": ("questions/test_msvd_qa.py", 30933 + HEADER),
    "msvd_qa/malmm_qa_val.json": ("questions/test_msvd_qa.py", 6415),
    "msvd_qa/test_qa.json": ("questions/test_msvd_qa.py", 13157),
    "msvd_qa/train_qa.json": ("questions/test_msvd_qa.py", 30933),
    "msvd_qa/val_qa.json": ("questions/test_msvd_qa.py", 6415),
    "msvd_qa/violet_txt_msvd-qa.json": ("questions/test_msvd_qa.py", 200 + 50 + 50 + 1000),
    "nextgqa/val.csv": ("questions/test_nextqa.py", 3358 + HEADER),
    "nextqa/lgva_next_val_qa.json": ("questions/test_nextqa.py", 4996),
    "nextqa/map_vid_vidorID.json": ("questions/test_nextqa.py", 10000),
    "nextqa/results_val_example.json": ("questions/test_nextqa.py", 4996),
    "nextqa/test.csv": ("questions/test_nextqa.py", 8564 + HEADER),
    "nextqa/val.csv": ("questions/test_nextqa.py", 4996 + HEADER),
    "nextqa_oe/add_reference_answer_test.json": ("questions/test_nextqa_oe.py", 500),
    "nextqa_oe/test.csv": ("questions/test_nextqa_oe.py", 9178 + HEADER),
    "nextqa_oe/train.csv": ("questions/test_nextqa_oe.py", 37523 + HEADER),
    "nextqa_oe/val.csv": ("questions/test_nextqa_oe.py", 5343 + HEADER),
    "tgif_qa/Test_action_question.csv": ("questions/test_tgif_qa.py", 2274 + HEADER),
    "tgif_qa/Test_count_question.csv": ("questions/test_tgif_qa.py", 3554 + HEADER),
    "tgif_qa/Test_frameqa_question.csv": ("questions/test_tgif_qa.py", 5586 + 3904 + 3148 + 1053 + HEADER),
    "tgif_qa/Test_transition_question.csv": ("questions/test_tgif_qa.py", 6232 + HEADER),
    "tgif_qa/Train_action_question.csv": ("questions/test_tgif_qa.py", 20471 + HEADER),
    "tgif_qa/Train_count_question.csv": ("questions/test_tgif_qa.py", 26839 + HEADER),
    "tgif_qa/hqga_frameqa_train.csv": ("questions/test_tgif_qa.py", 16746 + 11948 + 8096 + 2602 + HEADER),
    "tgif_qa/violet_txt_tgif-action.json": ("questions/test_tgif_qa.py", 200 + 50 + 50),
    "webvid/video2dataset_test_webvid.csv": ("pretraining/test_webvid.py", 20 + HEADER),
    "webvid/violet_txt_webvid2.5m.json": ("pretraining/test_webvid.py", 400 + 50),
    "youcook2/milnce_validation_youcook.csv": ("retrieval/test_youcook2.py", 3350 + HEADER),
    "youcook2/youcookii_annotations_trainval.json": ("retrieval/test_youcook2.py", 1333 + 457),
}
NOT_READ = {
    "cc3m/violet_img_cc3m_val.lineidx": "offsets of the lines of a file that is read from its beginning",
    "coin/" + "README.md": "a text",
    "coin/taxonomy.xlsx": "names of tasks; a video's own entry has its labels",
    "condensed_movies/descriptions.csv": "no dataset of ours",
    "condensed_movies/durations.csv": "no dataset of ours",
    "crosstask/readme.txt": "a text",
    "hmdb51/milnce_hmdb51.csv": "no dataset of ours",
    "msrvtt_qa/hqga_ans_word.json": "answers of a model",
    "msrvtt_qa/train_ans2label.json": "answers of a model",
    "msrvtt_ret/category.txt": "names of the categories",
    "msrvtt_ret/lavender_msrvtt.tsv": "a container of frames",
    "msvd_qa/hqga_ans_word.json": "answers of a model",
    "nextgqa/gsub_val.json": "times of answers, for grounding",
    "nextqa_oe/results_val_example.json": "results of a model",
    "nextqa_oe/stopwords.txt": "words of the metric",
    "tgif/splits_test.txt": "no questions",
}


@pytest.fixture
def sources(published: Path) -> dict[str, str]:
    with (published / "SOURCES.csv").open(newline="") as file:
        return {f"{row['dataset']}/{row['file']}": row["records"] for row in csv.DictReader(file)}


def test_every_file_is_read_or_said_not_to_be(sources: dict[str, str]) -> None:
    assert sources.keys() == READ.keys() | NOT_READ.keys() and not READ.keys() & NOT_READ.keys()


def test_the_counts_are_those_of_the_sources(sources: dict[str, str]) -> None:
    assert {name: int(sources[name]) for name in READ} == {name: count for name, (_, count) in READ.items()}


@pytest.mark.parametrize("name", READ)
def test_the_named_test_reads_the_file(name: str) -> None:
    folder, _, file = name.partition("/")
    text = (HERE / READ[name][0]).read_text()
    split = file.partition("_")[0].partition(".")[0]
    assert "published" in text and folder in text and (file in text or f'"{split}"' in text)
