"""Checkpoints of older versions: settings are found at their new places, and the model gives what it gave then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mcg.config import load_stored
from mcg.config.older import upgrade
from mcg.engine.checkpoint import find_checkpoint
from mcg.model.mcg import MCG
from mcg.text import open_texts
from mcg.trained import trained_model

OLDER = Path(__file__).resolve().parent / "older"


def test_the_vocabulary_is_the_models() -> None:
    stored = {"task": {"name": "pretrain", "vocabulary": "words.txt"}, "model": {"name": "mcg"}, "seed": 1}
    new = {"task": {"name": "pretrain"}, "model": {"vocabulary": "words.txt", "name": "mcg"}, "seed": 1}
    assert upgrade(stored) == new and upgrade(new) == new
    assert stored["task"] == {"name": "pretrain", "vocabulary": "words.txt"}


def test_what_is_at_the_new_place_stands() -> None:
    both = {"task": {"vocabulary": "old"}, "model": {"vocabulary": "new"}}
    assert upgrade(both) == {"task": {}, "model": {"vocabulary": "new"}}


def test_a_config_of_a_model_alone_and_one_that_is_damaged_are_left_to_the_validator() -> None:
    for stored in ({"model": {"name": "mcg"}}, {"task": "none"}, {"task": {"vocabulary": None}, "model": 3}):
        assert upgrade(stored) == stored


def test_a_checkpoint_of_2bab904_gives_what_it_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written by that version, with what its verbs gave for these inputs in expected.json."""
    monkeypatch.chdir(OLDER / "2bab904")  # its config names vocab.txt
    checkpoint = find_checkpoint(OLDER / "2bab904")
    expected = json.loads((OLDER / "2bab904" / "expected.json").read_text())
    config = load_stored(checkpoint.config, str(checkpoint.folder), ("task", "model"))
    assert config.model.vocabulary == "vocab.txt"
    task = config.task.build(open_texts(config.model))
    model = trained_model(checkpoint, task, config.model).eval()
    assert isinstance(model, MCG)
    frames = (torch.arange(2 * 2 * 32 * 32 * 3) * 7 % 256).to(torch.uint8).view(2, 2, 32, 32, 3)
    ids = torch.tensor([[2, 5, 6, 7, 8, 9, 3], [2, 8, 3, 0, 0, 0, 0]])
    question = torch.from_numpy(task.texts.question("what is the man doing ?", 40)["text_ids"])[None]
    with torch.no_grad():
        video, text = model.encode_video(frames), model.encode_text(ids, ids != 0)
        fused = model.fuse(text, video)
        asked = model.fuse(model.encode_text(question, question != -1), video.rows(torch.tensor([0])))
        found = {
            "video_features": model.video_features(video),
            "text_features": model.text_features(text),
            "match_logits": model.match_logits(fused),
            "classify": model.classify(fused),
            "token_logits": model.token_logits(fused.text_BLD[:, 0])[:, :6],
            "temperature": model.temperature,
        }
        (answers,) = task.answering.best(model, asked, 3)
    for name, values in found.items():
        torch.testing.assert_close(values, torch.tensor(expected[name]), rtol=1e-5, atol=1e-6, msg=name)
    assert [text for text, _ in answers] == [text for text, _ in expected["answers"]]
    assert [score for _, score in answers] == pytest.approx([score for _, score in expected["answers"]], rel=1e-5)
