"""A searcher ranks clips as the features do, keeps features by content, and matches texts with a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcg.scoring.evaluate import evaluate
from mcg.searching.searcher import Searcher
from shards.base import MediaError
from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.small_lavender import lavender_config
from tests.mcg.small_retrieval import CPU, make_retrieval, split_of, write_captions

VIDEO = Path(__file__).resolve().parents[3] / "samples" / "videos" / "bbb_tree.mp4"
TASK: dict[str, Any] = {"name": "retrieval", "clip": {"num_frames": 2, "size": 32}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("search") / "run"
    config = run_config(folder, task=TASK, objectives={"contrastive": {}})
    model = config.model.model_copy(update={"matching_head": True})
    return write_checkpoint(config.model_copy(update={"model": model}))


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captions(tmp_path_factory.mktemp("captions") / "gray")


def test_clips_are_ranked_as_an_evaluation_ranks_them(run: Path, captions: Path) -> None:
    searcher = Searcher.load(run, device="cpu")
    assert searcher.add(captions) == 7 and searcher.failures == []
    scores = evaluate(make_retrieval(), searcher.model, split_of(captions), CPU)
    asked = next(p for p in scores.predictions if p["id"] == "3.1")
    hits = searcher.search(asked["caption"], 7)
    assert [hit.name[-4:] for hit in hits] == [f"000{video[1:]}" for video, _ in asked["top"]]
    assert [hit.score for hit in hits] == pytest.approx([score for _, score in asked["top"]], abs=1e-5)


def test_a_second_search_of_the_same_bytes_reads_no_frames(run: Path, captions: Path, tmp_path: Path) -> None:
    first = Searcher.load(run, device="cpu", cache=tmp_path)
    first.add(captions)
    second = Searcher.load(run, device="cpu", cache=tmp_path)
    second.add(captions)
    assert (first.num_encoded, second.num_encoded) == (7, 0)
    assert first.search("a picture") == second.search("a picture")
    other = Searcher.load(run, device="cpu", cache=tmp_path, config=_config(tmp_path, size=32, num_frames=2, flip=0.0))
    assert other.model.config == first.model.config


def _config(folder: Path, **clip: Any) -> Path:
    config = run_config(folder / "other", task={**TASK, "clip": clip}, objectives={"contrastive": {}})
    model = config.model.model_copy(update={"matching_head": True})
    file = folder / "config.yaml"
    file.write_text(config.model_copy(update={"model": model}).model_dump_json())
    return file


def test_texts_are_ranked_for_a_clip_by_matching(run: Path) -> None:
    searcher = Searcher.load(run, device="cpu")
    texts = ["a bird in a tree", "a dog", "two people talk"]
    hits = searcher.best_texts(VIDEO, texts)
    assert {hit.name for hit in hits} == set(texts)
    matches = [hit.match for hit in hits]
    assert None not in matches and matches == sorted(matches, reverse=True)  # type: ignore[type-var]
    assert searcher.best_texts(VIDEO, texts, count=1) == hits[:1]


def test_mistakes_are_told(run: Path, tmp_path: Path) -> None:
    searcher = Searcher.load(run, device="cpu")
    with pytest.raises(ValueError, match="no clips to search; add a folder or a dataset first"):
        searcher.search("a dog")
    with pytest.raises(ValueError, match="text number 2 is empty"):
        searcher.best_texts(VIDEO, ["a dog", " "])
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"none of its clips can be used; the first: a\.mp4: "):
        searcher.add(tmp_path)
    questions = write_checkpoint(run_config(tmp_path / "questions"))
    with pytest.raises(ValueError, match="its task is 'open_qa', which compares no clips with texts"):
        Searcher.load(questions, device="cpu")
    task = {"name": "retrieval", "clip": {"num_frames": 2, "size": 32}, "ranking": "matching"}
    words = run_config(tmp_path / "words", task=task, model=lavender_config(), objectives={"batch_matching": {}})
    with pytest.raises(ValueError, match="search compares features of videos and texts: this model has no video_feat"):
        Searcher.load(write_checkpoint(words), device="cpu")


def test_scores_are_plain_numbers(run: Path, captions: Path) -> None:
    searcher = Searcher.load(run, device="cpu")
    searcher.add(captions)
    hits = searcher.search("a picture", 3)
    assert len(hits) == 3 and all(type(hit.score) is float and np.isfinite(hit.score) for hit in hits)
