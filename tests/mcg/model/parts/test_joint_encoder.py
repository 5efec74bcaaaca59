"""The encoder of video and text against `transformers`' own BERT with the same weights."""

from __future__ import annotations

import torch
from transformers import BertForMaskedLM

from mcg.model.parts.configs import JointEncoderConfig
from mcg.model.parts.joint_encoder import JointEncoder

CONFIG = JointEncoderConfig(width=16, num_layers=2, num_heads=2, max_positions=12, dropout=0.0, init_std=0.3)


def test_layers_and_head_are_those_of_bert() -> None:
    torch.manual_seed(0)
    encoder = JointEncoder(CONFIG, 50).eval()
    bert = BertForMaskedLM(
        encoder.bert.config.__class__(**{**encoder.bert.config.to_dict(), "tie_word_embeddings": False})
    ).eval()
    bert.bert.load_state_dict(encoder.bert.state_dict())
    bert.cls.predictions.load_state_dict(encoder.predictions.state_dict())
    ids = torch.randint(0, 50, (2, 7))
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    places = torch.arange(7).expand(2, 7)
    with torch.no_grad():
        found = encoder.predictions(encoder(encoder.embed(ids, places), mask[:, None]))
        expected = bert(input_ids=ids, attention_mask=mask.long()).logits
    torch.testing.assert_close(found[mask], expected[mask])


def test_a_mask_for_each_row_says_what_it_sees() -> None:
    torch.manual_seed(0)
    encoder = JointEncoder(CONFIG, 50).eval()
    states = torch.randn(1, 5, 16)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()[None]
    changed = states.clone()
    changed[:, 3] += 1
    found, other = encoder(states, causal), encoder(changed, causal)
    assert torch.equal(found[:, :3], other[:, :3]) and not torch.allclose(found[:, 3:], other[:, 3:])


def test_the_head_has_one_bias_and_weights_of_its_own() -> None:
    encoder = JointEncoder(CONFIG, 50)
    assert encoder.predictions.bias is encoder.predictions.decoder.bias
    assert encoder.predictions.decoder.weight is not encoder.bert.embeddings.word_embeddings.weight
    assert abs(float(encoder.predictions.decoder.weight.std()) - 0.3) < 0.05
