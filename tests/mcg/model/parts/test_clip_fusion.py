"""The fusion over CLIP's blocks and its heads: places, too many tokens, and forms that are computed row by row."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mcg.model.parts.clip_fusion import ClipFusion, MatchHead, WordHead
from mcg.model.parts.configs import ClipFusionConfig

CONFIG = ClipFusionConfig(width=8, num_layers=1, num_heads=2, max_positions=6, dropout=0.0)


def test_more_tokens_than_places_are_refused() -> None:
    fusion = ClipFusion(CONFIG)
    seen = torch.ones(1, 7, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"7 tokens of video and words, and model\.fusion\.max_positions is 6; cut"):
        fusion(torch.zeros(1, 7, 8), seen)
    assert fusion(torch.zeros(1, 6, 8), seen[:, :6]).shape == (1, 6, 8)


def test_tokens_stand_at_the_places_that_are_given() -> None:
    fusion = ClipFusion(CONFIG)
    states, seen = torch.randn(1, 3, 8), torch.ones(1, 3, dtype=torch.bool)
    found = fusion(states[:, [2, 0, 1]], seen, torch.tensor([2, 0, 1]))
    torch.testing.assert_close(found, fusion(states, seen)[:, [2, 0, 1]])


def test_words_are_read_by_the_embeddings_of_the_text_tower() -> None:
    embedding = nn.Embedding(11, 4)
    head = WordHead(CONFIG, embedding)
    states = torch.randn(3, 8)
    torch.testing.assert_close(head(states), head.proj(states) @ embedding.weight.T + head.decoder.bias)
    assert head.decoder.weight is embedding.weight


def test_a_match_is_two_bilinear_forms_of_unit_vectors() -> None:
    head = MatchHead(CONFIG, over_batch=False)
    video, text = torch.randn(5, 8), torch.randn(5, 8)
    found = head(video * 3, text * 5)
    for row in range(5):
        v, t = video[row] / video[row].norm(), text[row] / text[row].norm()
        expected = torch.stack([v @ head.unmatch.weight.T @ t, v @ head.match.weight.T @ t])
        torch.testing.assert_close(found[row], expected)
    assert not torch.allclose(MatchHead(CONFIG, over_batch=True)(video, text)[:1], found[:1])
