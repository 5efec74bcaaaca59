"""Retrieval examples, and scores over all pairs of a real split."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcg.scoring.evaluate import evaluate, write_scores
from mcg.tasks.config import RetrievalConfig
from mcg.tasks.retrieval import Retrieval
from mcg.text.masked_words import MaskedWords
from shards import DatasetWriter, LoaderConfig, SampleError
from tests.mcg.small_lavender import make_lavender
from tests.mcg.small_model import make_model, model_config
from tests.mcg.small_retrieval import CPU, make_retrieval, retrieval_model, split_of, write_captions
from tests.mcg.tasks.small_sample import draws, sample
from tests.shards.small_dataset import FACTS, picture


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 videos, 10 captions."""
    return write_captions(tmp_path_factory.mktemp("captions") / "gray")


def test_a_model_without_features_is_ranked_by_matching_alone(captions: Path) -> None:
    """Against pairs that are encoded and fused one by one."""
    model = make_lavender()
    task = Retrieval(make_retrieval(ranking="matching", pairs_at_once=3).config, MaskedWords())
    for ranking in ("contrast", "rerank"):
        with pytest.raises(ValueError, match=rf"'{ranking}': this model has no video_features.*; or rank by matching$"):
            make_retrieval(ranking=ranking).check_model(model.config)
    task.check_model(model.config)
    scores = evaluate(task, model, split_of(captions), CPU)
    found = [p for p in scores.predictions if p["direction"] == "text_to_video"]
    assert "by_contrast" not in scores.metrics["text_to_video"] and scores.metrics["pairs_fused"] == 70
    videos = [np.full((2, 32, 32, 3), 30 * i, np.uint8) for i in range(7)]
    with torch.no_grad():
        states = model.encode_video(torch.from_numpy(np.stack(videos)))
        for query in found[:3]:
            pair = task.texts.pair(query["caption"], 40)
            ids, mask = (torch.from_numpy(pair[name])[None].expand(7, -1) for name in ("text_ids", "text_mask"))
            no, yes = model.match_logits(model.fuse(model.encode_text(ids, mask.bool()), states)).unbind(1)
            expected = {f"v{i}": float(score) for i, score in enumerate(yes - no)}
            assert dict(query["top"]) == pytest.approx(expected, abs=1e-4)


def test_a_training_example_is_one_pair() -> None:
    clip = make_retrieval().encode(sample({"caption": " a dog runs "}, index=3), draws())
    assert clip.meta["texts"] == [{"id": "shapes/000003.tar:clip-7#3", "caption": "a dog runs"}]
    assert clip.meta["video"] == "shapes/000003.tar:clip-7"
    assert set(clip.arrays) == {"text_ids", "text_mask", "text_words", "video_key"}
    assert clip.arrays["text_ids"].ndim == 1


PARAGRAPH = {"caption": "one two three", "segments": [{"caption": word} for word in ("one ", "two", "three")]}


def test_of_a_paragraph_training_may_read_a_random_part_in_random_order() -> None:
    task = make_retrieval(paragraphs="sampled")
    texts = [task.encode(sample(PARAGRAPH), draws(seed)).meta["texts"][0]["caption"] for seed in range(300)]
    orders = [order for count in (1, 2, 3) for order in permutations(("one", "two", "three"), count)]
    assert {tuple(text.split()) for text in texts} == set(orders)
    for count in (1, 2, 3):
        assert sum(len(text.split()) == count for text in texts) == pytest.approx(100, abs=30)
    assert texts[0] == task.encode(sample(PARAGRAPH), draws(0)).meta["texts"][0]["caption"]
    whole = replace(sample(PARAGRAPH), records=(PARAGRAPH,))
    for clip in (make_retrieval().encode(whole, draws()), task.encode_for_evaluation(whole, draws())):
        assert clip.meta["texts"][0]["caption"] == "one two three"


@pytest.mark.parametrize("segments", [None, [], 7, ["one"], [{"caption": "one"}, {"caption": " "}]])
def test_a_paragraph_without_its_parts_is_refused_with_the_remedy(segments: Any) -> None:
    record = {"caption": "one two", "segments": segments}
    with pytest.raises(
        SampleError, match=r"clip-7: record 2: no segments with a caption each, .* --text paragraph, or"
    ):
        make_retrieval(paragraphs="sampled").encode(sample(record, index=2), draws())
    make_retrieval().encode(sample(record), draws())


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({}, r"no caption in \["),
        ({"caption": " "}, r"no caption in \["),
        ({"caption": 3}, r"no caption in \["),
        ({"caption": "\u200b"}, r"no word piece in the caption '\\u200b'"),
    ],
)
def test_a_caption_that_says_nothing_names_the_record(record: dict[str, Any], told: str) -> None:
    with pytest.raises(SampleError, match=rf"clip-7: record 2: {told}"):
        make_retrieval().encode(sample(record, index=2), draws())


@pytest.mark.parametrize("ranking", ["contrast", "matching", "rerank"])
def test_every_text_is_scored_with_every_video(captions: Path, ranking: str) -> None:
    scores = evaluate(make_retrieval(ranking=ranking, rerank_depth=2), retrieval_model(), split_of(captions), CPU)
    by_text, by_video = (
        [p for p in scores.predictions if p["direction"] == way] for way in ("text_to_video", "video_to_text")
    )
    assert len(by_text) == 10 and len(by_video) == 7
    assert {p["id"]: p["right"] for p in by_text} == {f"{i}.{r}": [f"v{i}"] for i in range(7) for r in range(1 + i % 2)}
    assert {p["id"]: p["right"] for p in by_video} == {
        f"v{i}": [f"{i}.{r}" for r in range(1 + i % 2)] for i in range(7)
    }
    assert all(len(p["top"]) == 7 and len({video for video, _ in p["top"]}) == 7 for p in by_text)
    table = scores.metrics["text_to_video"]
    assert (table["queries"], table["candidates"], scores.metrics["video_to_text"]["candidates"]) == (10, 7, 10)
    fused = {"contrast": 0, "matching": 70}
    assert scores.metrics["pairs_fused"] == fused.get(ranking, scores.metrics["pairs_fused"])
    if ranking == "rerank":
        assert 14 <= scores.metrics["pairs_fused"] <= 2 * 10 * 2
    assert ("by_contrast" in table) == (ranking != "contrast")


def test_scores_do_not_depend_on_how_pairs_and_batches_are_cut(captions: Path) -> None:
    model, found = retrieval_model(), []
    for batch_size, at_once in ((1, 1), (3, 7), (16, 1000)):
        task = make_retrieval(ranking="matching", pairs_at_once=at_once)
        scores = evaluate(task, model, split_of(captions, batch_size), CPU)
        found.append({(p["direction"], p["id"]): dict(map(tuple, p["top"])) for p in scores.predictions})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for query, top in found[0].items():
            assert other[query] == pytest.approx(top, abs=2e-5)


def test_videos_and_texts_are_encoded_once(captions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = retrieval_model(), {"video": 0, "text": 0, "pairs": 0}
    encode_video, encode_text, fuse = model.encode_video, model.encode_text, model.fuse

    def count(name: str, rows: torch.Tensor) -> None:
        seen[name] += len(rows)

    monkeypatch.setattr(model, "encode_video", lambda f: (count("video", f), encode_video(f))[1])
    monkeypatch.setattr(model, "encode_text", lambda i, m, **kw: (count("text", i), encode_text(i, m, **kw))[1])
    monkeypatch.setattr(model, "fuse", lambda t, v: (count("pairs", t.mask_BL), fuse(t, v))[1])
    evaluate(make_retrieval(ranking="matching"), model, split_of(captions, 7), CPU)
    assert seen == {"video": 7, "text": 10, "pairs": 70}


def test_reranking_to_the_full_depth_ranks_as_matching_does(captions: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = retrieval_model()
    whole, deep = (
        evaluate(make_retrieval(ranking=ranking, rerank_depth=10), model, split_of(captions), CPU)
        for ranking in ("matching", "rerank")
    )
    for one, other in zip(whole.predictions, deep.predictions, strict=True):
        assert [name for name, _ in one["top"]] == [name for name, _ in other["top"]]
    assert deep.metrics["pairs_fused"] == 70
    assert "task.rerank_depth is 10, and the split has 7 videos: all pairs are fused" in caplog.text


def test_a_video_that_fails_is_a_missing_candidate_and_its_captions_are_missed(tmp_path: Path) -> None:
    folder, task = write_captions(tmp_path / "gray", broken=(1, 4)), make_retrieval()
    scores = evaluate(task, retrieval_model(), split_of(folder, max_failure_rate=None), CPU)
    text, video = scores.metrics["text_to_video"], scores.metrics["video_to_text"]
    assert (text["queries"], text["candidates"]) == (10, 5) and (video["queries"], video["candidates"]) == (7, 7)
    assert scores.metrics["num_failed"] == 2 and text["R10"] == 0.7 and video["R10"] == 5 / 7
    assert {failure["video"] for failure in scores.failures} == {"v1", "v4"}
    submitted = {query: len(top) for query, top in task.submission(scores).content.items()}
    assert len(submitted) == 10 and {query for query, count in submitted.items() if not count} == {"1.0", "1.1", "4.0"}


def test_black_frames_tie_and_are_told_by_the_mean_place(captions: Path) -> None:
    scores = evaluate(make_retrieval(), retrieval_model(), split_of(captions), CPU, "black")
    table = scores.metrics["text_to_video"]
    assert table["R5"] == 0 and table["mean_place"] == 7 and table["by_mean_place"]["mean_place"] == 4


def test_captions_with_one_id_and_words_are_one_query_with_several_right_videos(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "gray", "gray") as writer:
        for i in range(3):
            records = [{"caption": "a dog" if i < 2 else "a cat", "id": "7"}]
            writer.write(f"{i}", picture(80 * i), "png", records, {"id": f"v{i}"}, FACTS)
    scores = evaluate(make_retrieval(), retrieval_model(), split_of(tmp_path / "gray"), CPU)
    by_text = [p for p in scores.predictions if p["direction"] == "text_to_video"]
    assert [(p["caption"], p["right"]) for p in by_text] == [("a dog", ["v0", "v1"]), ("a cat", ["v2"])]


def test_a_text_of_several_videos_is_one_candidate_and_is_fused_once_with_each(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "gray", "gray") as writer:
        for i in range(6):
            records = [{"caption": "a dog", "id": "7"}, {"caption": f"number {i} of all", "id": f"n{i}"}]
            writer.write(f"{i}", picture(40 * i), "png", records, {"id": f"v{i}"}, FACTS)
    model, split = retrieval_model(), split_of(tmp_path / "gray")
    whole, deep = (
        evaluate(make_retrieval(ranking=ranking, rerank_depth=7), model, split, CPU)
        for ranking in ("matching", "rerank")
    )
    assert whole.metrics["pairs_fused"] == deep.metrics["pairs_fused"] == 6 * 7
    shallow = evaluate(make_retrieval(ranking="rerank", rerank_depth=2), model, split, CPU)
    for other in (deep, shallow):
        for one, ranked in zip(whole.predictions, other.predictions, strict=True):
            first = [name for name, _ in ranked["top"]][: 7 if other is deep else 2]
            assert sorted(first, key=[name for name, _ in one["top"]].index) == first


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_reranking_by_the_product_orders_each_query_s_best(captions: Path, compat: str) -> None:
    """Against the two scores of each pair."""
    model, split = retrieval_model(), split_of(captions)
    tables = {}
    for ranking, fields in {
        "contrast": {"ranking": "contrast"},
        "matching": {"ranking": "matching"},
        "product": {"ranking": "rerank", "rerank_by": "product", "rerank_depth": 3, "compat": compat},
    }.items():
        scores = evaluate(make_retrieval(**fields), model, split, CPU)
        tables[ranking] = {(p["direction"], p["id"]): dict(map(tuple, p["top"])) for p in scores.predictions}
    for query, found in tables["product"].items():
        contrast, match = tables["contrast"][query], tables["matching"][query]
        shared = sorted(contrast, key=lambda name: -contrast[name])
        best = [name for name in shared[:3] if name in match]
        product = {n: contrast[n] / model.temperature.item() - np.log1p(np.exp(-match[n])) for n in best}
        assert list(found)[:3] == sorted(best, key=lambda name: -product[name])
        assert list(found)[3:] == shared[3:]


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_without_a_candidate_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=r"rerank_depth\n  Input should be greater than or equal to 1"):
        make_retrieval(ranking="rerank", rerank_depth=depth)


def test_two_samples_with_one_video_id_are_refused_by_name(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "gray", "gray") as writer:
        for i in range(2):
            writer.write(f"{i}", picture(80 * i), "png", [{"caption": "a dog"}], {"id": "same"}, FACTS)
    with pytest.raises(ValueError, match=r"tar:0 and .*tar:1 have one video id, 'same'; give each video one sample"):
        evaluate(make_retrieval(), retrieval_model(), split_of(tmp_path / "gray"), CPU)


def test_the_released_scores_are_rounded_so_that_they_tie(captions: Path) -> None:
    model = make_model(vocab_size=make_retrieval().texts.size, matching_head=True)
    with torch.no_grad():
        model.itm_head.weight.mul_(1e-7)  # all probabilities are equal in four decimals
    released = evaluate(make_retrieval(ranking="matching", compat="released"), model, split_of(captions), CPU)
    by_text = [p for p in released.predictions if p["direction"] == "text_to_video"]
    assert [p["top"][0][0] for p in by_text] == ["v0"] * 10
    assert all(tied == 0 for p in by_text for _, tied in p["places"].values())
    ours = evaluate(make_retrieval(ranking="matching"), model, split_of(captions), CPU)
    assert len({p["top"][0][0] for p in ours.predictions}) > 1


def test_the_submission_holds_the_best_ten_of_every_query(captions: Path, tmp_path: Path) -> None:
    task = make_retrieval()
    scores = evaluate(task, retrieval_model(), split_of(captions), CPU)
    write_scores(scores, tmp_path, task.submission(scores))
    lines = (tmp_path / "submission.csv").read_text().splitlines()
    assert lines[0] == "query,place,video,score" and len(lines) == 1 + 10 * 7
    assert lines[1].startswith("0.0,1,v")


def test_elements_that_are_records_are_refused_with_the_remedy(captions: Path) -> None:
    config = RetrievalConfig.model_validate({"name": "retrieval", "clip": {"num_frames": 2, "size": 32}})
    blend = [{"name": "gray", "path": str(captions)}]
    data = LoaderConfig.model_validate({"blend": blend, "batch_size": 4, "mode": "eval"})
    with pytest.raises(ValueError, match=r"data\.val\.blend\[0\]\.elements is 'record'; .* set it to sample"):
        config.check_data("val", data)
    config.check_data("train", data)


def test_a_model_without_the_head_for_matching_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"task\.ranking 'rerank': this model has no head for matching; set model"):
        make_retrieval(ranking="rerank").check_model(model_config())
    make_retrieval(ranking="contrast").check_model(model_config())


def test_evaluation_arrays_hold_every_caption_of_a_sample() -> None:
    records = ({"caption": "a dog"}, {"caption": "a dog runs far away"})
    whole = sample(records[0])
    whole = type(whole)(whole.origin, whole.media, whole.facts, records[0], 0, {"id": 7}, records)
    clip = make_retrieval().encode_for_evaluation(whole, draws())
    assert clip.meta["video"] == "7" and clip.arrays["text_ids"].shape == (2, 7)
    assert clip.arrays["text_mask"].sum(1).tolist() == [4, 7] and clip.arrays["text_ids"].dtype == np.int64
