"""BERT of Hugging Face: the same weights give the same states as `transformers`' own model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForPreTraining

from mcg.convert.convert import detect
from mcg.convert.reading import Released
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.convert.small_conversions import converted, loaded, small_config


def test_the_text_encoder_gives_the_states_of_bert() -> None:
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 256}
    bert = BertForPreTraining(BertConfig(vocab_size=30522, max_position_embeddings=24, **sizes)).eval()
    config = small_config(text={"token_head": "tied", "num_decoder_layers": 2})
    model = loaded(converted(dict(bert.state_dict()), "bert", config))
    ids, mask = torch.randint(5, 30522, (2, 9)), torch.ones(2, 9, dtype=torch.bool)
    mask[1, 6:] = False
    with torch.no_grad():
        expected = bert(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True)
        found = model.encode_text(ids, mask).states_BLD
        logits = model.token_logits(found[0])[:, :30522]
    torch.testing.assert_close(found[mask], expected.hidden_states[-1][mask])
    torch.testing.assert_close(logits, expected.prediction_logits[0])
    assert model.decoder is not None
    assert torch.equal(
        model.decoder.bert.bert.embeddings.word_embeddings.weight[:30522], bert.bert.embeddings.word_embeddings.weight
    )


@pytest.mark.parametrize("old_names", [True, False])
def test_norms_may_have_their_old_names(old_names: bool) -> None:
    state = draw(layouts.hugging_face_bert(SMALL, old_names))
    assert detect(Released(Path("a"), state, None)).name == "bert"
    conversion = converted(state, "bert", small_config(text={"token_head": "tied", "num_decoder_layers": 2}))
    end = "gamma" if old_names else "weight"
    found = conversion.state["text.bert.encoder.layer.1.output.LayerNorm.weight"]
    assert torch.equal(found, state[f"bert.encoder.layer.1.output.LayerNorm.{end}"])
    fresh = {e.key for e in conversion.entries if e.status == "missing" and "crossattention" in e.key}
    assert len(fresh) == 20 and not any("crossattention" in name for name in conversion.state)


def test_a_head_with_weights_of_its_own_starts_as_the_word_embeddings() -> None:
    state = draw(layouts.hugging_face_bert(SMALL))
    model = loaded(converted(state, "bert", small_config()))
    assert model.config.text.token_head == "untied"
    words = state["bert.embeddings.word_embeddings.weight"]
    assert torch.equal(model.text.predictions.decoder.weight[:30522], words)
    assert model.text.predictions.decoder.weight is not model.text.bert.embeddings.word_embeddings.weight
    assert torch.equal(model.text.predictions.bias[:30522], state["cls.predictions.bias"])


def test_a_headless_bert_without_prefix_is_enough() -> None:
    state = draw(layouts.bert("", SMALL, types=True, cross=False))
    conversion = converted(state, "bert", small_config())
    assert "fresh: this BERT was saved without its head" in {entry.note for entry in conversion.entries}
