"""The score clip with a tiny random CLIP that the test makes: the cosine of its own features, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tools.scores.graded import gray
from tools.rows import OptionError
from tools.scores.clip import ClipScorer, checkpoint_digest
from tools.scores.values import ScoreError

pytestmark = pytest.mark.long  # transformers takes seconds to import


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip") / "tiny"
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    letters = [chr(97 + number) for number in range(26)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    text = {**small, "vocab_size": len(words), "max_position_embeddings": 12, "eos_token_id": len(words) - 1}
    vision = {**small, "image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    side = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPImageProcessor(**side).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer.from_pretrained(str(folder)).save_pretrained(folder)
    return folder


def test_the_score_is_the_mean_cosine_of_frames_and_texts(checkpoint: Path) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), np.uint8)
    texts = ["a cat", "two dogs run " * 20]
    scorer = ClipScorer(checkpoint, "cpu")
    found = scorer(frames, [{"caption": text} for text in texts], None)

    model, processor = CLIPModel.from_pretrained(checkpoint).eval(), CLIPProcessor.from_pretrained(checkpoint)
    inputs = processor(
        text=texts, images=list(frames), return_tensors="pt", padding=True, truncation=True, max_length=12
    )
    with torch.inference_mode():
        cosines = model(**inputs).logits_per_text / model.logit_scale.exp()  # (texts, frames)
        shown = model(**inputs).image_embeds
    expected = float((cosines.mean(1) / shown.mean(0).norm()).mean())
    assert found == pytest.approx(expected, abs=1e-5) and -1 <= found <= 1
    assert scorer(frames, [{"caption": texts[0]}], None) != found
    assert scorer(frames, [{"question": "a", "answer": "cat"}], None) == scorer(frames, [{"caption": "a cat"}], None)
    with pytest.raises(ScoreError, match="no record has a caption or a question"):
        scorer(gray(3), [{"caption": None}], None)


def test_a_folder_that_is_no_checkpoint_is_told(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nowhere: is no folder; give the local folder of a CLIP-like"):
        ClipScorer(tmp_path / "nowhere", "cpu")
    with pytest.raises(OptionError, match=r"holds no config\.json"):
        ClipScorer(tmp_path, "cpu")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    with pytest.raises(OptionError, match="cannot be loaded"):
        ClipScorer(broken, "cpu")
    assert checkpoint_digest(broken) != checkpoint_digest(checkpoint)


def test_a_model_without_pictures_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    from transformers import BertConfig, BertModel

    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    BertModel(BertConfig(vocab_size=10, **small)).save_pretrained(tmp_path)
    for path in checkpoint.iterdir():
        if not (tmp_path / path.name).exists():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(OptionError, match="is a BertModel, which gives no features of pictures"):
        ClipScorer(tmp_path, "cpu")
