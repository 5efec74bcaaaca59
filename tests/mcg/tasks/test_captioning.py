"""Captioning examples, and captions of a real split: written, scored by the field's numbers, and told where not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcg.metrics.captioning.coco_files import read_predictions
from mcg.metrics.captioning.java import Java, JavaError, find_java
from mcg.metrics.captions import caption_scores
from mcg.scoring.evaluate import evaluate, write_scores
from mcg.scoring.score_table import score_table
from mcg.tasks.captioning import Captioning
from mcg.tasks.config import CaptioningConfig
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL, Texts
from shards import DatasetWriter, LoaderConfig, SampleError
from tests.mcg.metrics.stand_in_java import stand_in_java
from tests.mcg.small_lavender import lavender_config, make_lavender
from tests.mcg.small_model import TEXTS, make_model, model_config, text_config
from tests.mcg.small_retrieval import CPU, split_of, write_captions
from tests.mcg.tasks.small_sample import draws, sample
from tests.shards.small_dataset import FACTS, picture

WORDS = MaskedWords()


def make_captioning(texts: Texts = WORDS, **fields: Any) -> Captioning:
    settings = {"name": "captioning", "clip": {"num_frames": 2, "size": 32}, "max_caption_tokens": 6, "meteor": False}
    return Captioning(CaptioningConfig.model_validate(settings | fields), texts)


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 videos, 10 captions."""
    return write_captions(tmp_path_factory.mktemp("captions") / "gray")


@pytest.fixture
def java() -> Java:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer", reason="pip install 'mcg-streams[captions]'")
    try:
        return find_java()
    except JavaError as error:
        pytest.skip(str(error))


def test_a_training_example_is_a_pair_with_masked_words() -> None:
    clip = make_captioning(masked_share=0.5).encode(sample({"caption": " a dog runs "}), draws())
    assert clip.meta == {"caption": "a dog runs"} and set(clip.arrays) == {"masked_ids", "masked_mask", "masked_labels"}
    told = np.where(clip.arrays["masked_labels"] == NO_LABEL, clip.arrays["masked_ids"], clip.arrays["masked_labels"])
    assert told.tolist() == WORDS.codec.encode("a dog runs", 50).tolist()
    other = make_captioning(masked_share=0.5).encode(sample({"caption": " a dog runs "}), draws(seed=1))
    assert not np.array_equal(clip.arrays["masked_labels"], other.arrays["masked_labels"])


def test_an_evaluation_example_has_all_references_and_shows_none() -> None:
    one = {"caption": "a dog"}
    whole = replace(sample(one), meta={"id": 7}, records=(one, {"caption": "a dog runs"}, {"caption": 3}, {}))
    clip = make_captioning().encode_for_evaluation(whole, draws())
    assert clip.meta == {"id": "7", "references": ["a dog", "a dog runs"]}
    assert {name: array.tolist() for name, array in clip.arrays.items()} == {"prompt_ids": [], "prompt_mask": []}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({}, r"no caption in \[\]"),
        ({"caption": " "}, r"no caption in \['caption'\]"),
        ({"caption": ["a", "b"]}, r"no caption in \['caption'\]"),
        ({"caption": "\u200b"}, r"no word piece in the caption '\\u200b'"),
    ],
)
def test_a_caption_that_says_nothing_is_refused_in_training_with_its_record(record: dict[str, Any], told: str) -> None:
    with pytest.raises(SampleError, match=rf"clip-7: record 2: {told}"):
        make_captioning().encode(sample(record, index=2), draws())


def test_captions_are_scored_as_pycocoevalcap_does_and_handed_in_as_coco_has_them(
    captions: Path, tmp_path: Path, java: Java
) -> None:
    learnt = tmp_path / "train.json"
    learnt.write_text(json.dumps([{"image_id": 1, "caption": "a dog"}]))
    task = make_captioning(training_captions=str(learnt))
    scores = evaluate(task, make_lavender(), split_of(captions), CPU)
    references = {p["id"]: p["references"] for p in scores.predictions}
    assert {video: len(texts) for video, texts in references.items()} == {f"v{i}": 1 + i % 2 for i in range(7)}
    given = {p["id"]: p["prediction"] for p in scores.predictions}
    expected = caption_scores(references, given, ["a dog"], with_meteor=False, keep_empty=True)
    assert {name: scores.metrics[name] for name in expected.metrics} == expected.metrics
    assert scores.headline == ("CIDEr", expected.metrics["CIDEr"])
    assert set(scores.metrics["absent"]) == {"METEOR", "SPICE"} and scores.metrics["num_scored"] == 7
    assert scores.predictions[0]["CIDEr"] == expected.by_video[scores.predictions[0]["id"]]["CIDEr"]
    write_scores(scores, tmp_path, task.submission(scores))
    assert {video: [text] for video, text in given.items()} == read_predictions(tmp_path / "submission.json").texts
    assert (tmp_path / "submission.csv").read_text().splitlines()[0] == "image_id,caption"
    table = score_table(scores.metrics, "captions")
    assert table is not None and "CIDEr" in map(str, table.columns[0].cells)


@pytest.mark.parametrize("prefix", ["none", "instruction"])
def test_a_caption_does_not_depend_on_its_batch(captions: Path, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "nowhere")
    model = make_lavender(prefix=prefix)
    task = make_captioning(MaskedWords.of(model.config), num_beams=2)
    found = [
        {p["id"]: (p["prediction"], pytest.approx(p["score"], abs=1e-5)) for p in scores.predictions}
        for batch_size in (1, 7)
        for scores in [evaluate(task, model, split_of(captions, batch_size, pad_to_multiple=batch_size), CPU)]
    ]
    assert found[0] == found[1] and len(set(text for text, _ in found[0].values())) > 1


def test_a_model_with_a_decoder_writes_captions_too(captions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "nowhere")
    task = make_captioning(TEXTS, num_beams=2)
    model = make_model(vocab_size=TEXTS.size).eval()
    task.check_model(model.config)
    assert len(evaluate(task, model, split_of(captions), CPU).predictions) == 7
    clip = task.encode(sample({"caption": "a dog runs"}), draws())
    assert set(clip.arrays) == {"prompt_ids", "prompt_mask", "answer_ids", "answer_mask"}
    with pytest.raises(ValueError, match=r"captioning': this model has no decoder; set model\.text\.num_decoder"):
        task.check_model(model_config(text=text_config(num_decoder_layers=0)))


def test_what_cannot_be_shown_or_says_nothing_is_scored_as_empty_and_what_is_not_known_is_not(
    tmp_path: Path, java: Java
) -> None:
    folder = tmp_path / "gray"
    with DatasetWriter(folder, "gray") as writer:
        for i, texts in enumerate((["a dog"], ["a cat"], [""], ["..."], ["a hen", "..."])):
            media = b"no picture" if i == 1 else picture(50 * i)
            writer.write(f"{i}", media, "png", [{"caption": text} for text in texts], {"id": f"v{i}"}, FACTS)
    task = make_captioning()
    scores = evaluate(task, make_lavender(), split_of(folder, max_failure_rate=None), CPU)
    metrics = scores.metrics
    assert (metrics["num_scored"], metrics["num_failed"], metrics["num_without_references"]) == (4, 1, 1)
    counts = metrics["counts"]
    assert (counts["videos"], counts["empty_predictions"], counts["empty_references"]) == (4, 1, 2)
    submitted = {row["image_id"]: row["caption"] for row in task.submission(scores).content}
    assert len(submitted) == 5 and submitted["v1"] == "" and submitted["v2"]
    table = score_table(metrics, "captions")
    assert table is not None and "without references, not scored" in map(str, table.columns[0].cells)


@pytest.mark.parametrize(
    ("body", "version", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "17.0.1", r"the tokenizer was killed \(SIGKILL\)"),
        ("", "1.7.0_80", r"is Java 7\.0_80, and 8 or newer is needed"),
        ("print('one line')", "17.0.1", r"the tokenizer gave"),
        (None, "", r"the Java of JAVA_HOME does not exist"),
    ],
    ids=["killed", "too old", "another program", "absent"],
)
def test_without_a_java_that_serves_captions_are_written_and_nothing_is_scored(
    captions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str | None,
    version: str,
    told: str,
) -> None:
    if body is not None:
        stand_in_java(tmp_path / "java", body, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    task = make_captioning()
    scores = evaluate(task, make_lavender(), split_of(captions), CPU)
    assert scores.headline is None and "CIDEr" not in scores.metrics and len(scores.predictions) == 7
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(scores.metrics["absent"]["captions"])
    assert "captions are written and not scored: " in capsys.readouterr().err
    write_scores(scores, tmp_path / "out", task.submission(scores))
    assert len(json.loads((tmp_path / "out" / "submission.json").read_text())) == 7
    assert score_table(scores.metrics, "captions") is not None


def test_a_split_without_any_reference_is_captioned(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "gray", "gray") as writer:
        for i in range(2):
            writer.write(f"{i}", picture(80 * i), "png", [{"text": "a dog"}], {"id": f"v{i}"}, FACTS)
    scores = evaluate(make_captioning(), make_lavender(), split_of(tmp_path / "gray"), CPU)
    assert len(scores.predictions) == 2 and scores.headline is None
    assert "no references" in scores.metrics["absent"]["captions"]


def test_captions_of_training_are_known_from_a_dataset_or_a_file(captions: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps([{"image_id": 1, "caption": "a dog"}, {"image_id": 1, "caption": "a cat"}]))
    known = {}
    for place in (captions, file):
        task = make_captioning(training_captions=str(place))
        assert task.config.files() == {"training_captions": str(place)}
        known[place] = task._learnt
    assert known[file] == ["a dog", "a cat"] and len(known[captions]) == 10


def test_two_samples_of_one_video_are_refused_by_name(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "gray", "gray") as writer:
        for i in range(2):
            writer.write(f"{i}", picture(80 * i), "png", [{"caption": "a dog"}], {"id": "same"}, FACTS)
    with pytest.raises(ValueError, match=r"tar:0 and .*tar:1 have one video id, 'same'; give each video one sample"):
        evaluate(make_captioning(), make_lavender(), split_of(tmp_path / "gray"), CPU)


def test_words_are_joined_as_people_write_them_but_not_as_released(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.from_numpy(WORDS.codec.encode("a man's t-shirt", 20))[None]
    model = make_lavender()
    video = model.encode_video(torch.zeros(1, 2, 32, 32, 3, dtype=torch.uint8))
    prompt = {name: torch.from_numpy(row)[None] for name, row in WORDS.prompt().items()}
    monkeypatch.setattr(model, "caption", lambda *_: type("Found", (), {"ids_BA": ids, "scores_B": torch.zeros(1)}))
    found = [make_captioning(compat=compat).captions(model, video, prompt) for compat in ("corrected", "released")]
    assert [[best.text for best in row] for (row,) in found] == [["a man's t-shirt"], ["a man ' s t - shirt"]]


def test_settings_that_do_not_fit_are_refused_with_the_remedy(captions: Path) -> None:
    config = make_captioning().config
    data = LoaderConfig.model_validate(
        {"blend": [{"name": "gray", "path": str(captions)}], "batch_size": 4, "mode": "eval"}
    )
    with pytest.raises(ValueError, match=r"data\.test\.blend\[0\]\.elements is 'record'; captioning .* to sample"):
        config.check_data("test", data)
    assert lavender_config().missing("caption") is None
