"""Words behind a prefix, with kept keys and without: the same, at a reader or the last word, by any number of beams."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mcg.model.parts.beam_search import Sentences, beam_search
from mcg.model.parts.configs import JointEncoderConfig
from mcg.model.parts.joint_encoder import JointEncoder
from mcg.model.parts.prefix_decoder import PrefixDecoder
from mcg.model.states import GenerationPlan

CONFIG = JointEncoderConfig(width=16, num_layers=2, num_heads=2, max_positions=16, dropout=0.0, init_std=0.3)
READER, START, END = 3, 1, 2
CPU = torch.device("cpu")


def _encoder() -> JointEncoder:
    torch.manual_seed(0)
    return JointEncoder(CONFIG, 40).eval()


def _prefix(samples: int = 4) -> tuple[Tensor, Tensor]:
    """Of several lengths."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, 6, 16, generator=generator), torch.arange(6) < torch.tensor([6, 4, 6, 5])[
        :samples, None
    ]


def _plan(num_beams: int, num_answers: int = 1) -> GenerationPlan:
    return GenerationPlan(START, END, 0, num_beams, max_tokens=9, num_answers=num_answers)


class Anew(Sentences):
    """Prefix and all words through the layers at every step, under a mask; each beam by itself."""

    def __init__(self, encoder: JointEncoder, prefix: Tensor, mask: Tensor, reader: int | None) -> None:
        self.encoder, self.prefix, self.mask, self.reader = encoder, prefix, mask, reader
        self.ids = torch.zeros(len(prefix), 1, 0, dtype=torch.int64)

    def add(self, word_RW: Tensor, parent_RW: Tensor) -> Tensor:
        before = self.ids.gather(1, parent_RW[..., None].expand(-1, -1, self.ids.shape[2]))
        self.ids = ids = torch.cat([before, word_RW[..., None]], 2)
        if self.reader is not None:
            ids = torch.cat([ids, torch.full_like(word_RW, self.reader)[..., None]], 2)
        R, W, L = ids.shape
        P = self.prefix.shape[1]
        seen = torch.ones(P + L, P + L, dtype=torch.bool).tril()
        seen[:P] = torch.arange(P + L) < P
        found = []
        for beam in range(W):
            words = self.encoder.embed(ids[:, beam], torch.arange(L).expand(R, L))
            real = torch.cat([self.mask, torch.ones(R, L, dtype=torch.bool)], 1)
            states = self.encoder(torch.cat([self.prefix, words], 1), seen & real[:, None])
            found.append(self.encoder.predictions(states[:, -1]))
        return torch.stack(found, 1)

    def keep(self, row_N: Tensor) -> None:
        self.prefix, self.mask, self.ids = self.prefix[row_N], self.mask[row_N], self.ids[row_N]


@pytest.mark.parametrize("reader", [READER, None], ids=["at a reader", "at the last word"])
@pytest.mark.parametrize("num_beams", [1, 4])
@torch.no_grad()
def test_kept_keys_change_no_word_and_no_probability(num_beams: int, reader: int | None) -> None:
    encoder, (prefix, mask) = _encoder(), _prefix()
    encoder.predictions.bias[END] += 2.0  # some end early
    plan = _plan(num_beams, num_answers=num_beams)
    found = beam_search(PrefixDecoder(encoder, prefix, mask, plan, reader), 4, plan, CPU)
    expected = beam_search(Anew(encoder, prefix, mask, reader), 4, plan, CPU)
    assert torch.equal(found.ids_BA, expected.ids_BA)
    assert (found.scores_B - expected.scores_B).abs().max() <= 1e-5
    lengths = {int((row != 0).sum()) for row in found.ids_BA}
    assert len(lengths) > 1, "rows leave at different steps"


@torch.no_grad()
def test_the_prefix_is_run_once_and_each_step_runs_the_new_tokens() -> None:
    encoder, (prefix, mask) = _encoder(), _prefix()
    sizes: list[tuple[int, ...]] = []
    encoder.layers[0].register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[:2])))
    encoder.predictions.bias[END] -= 99.0
    for num_beams, reader, expected in (
        (1, READER, [(4, 2)] * 8),
        (1, None, [(4, 1)] * 8),
        (3, READER, [(4, 2)] + [(4, 6)] * 7),
    ):
        sizes.clear()
        plan = _plan(num_beams)
        beam_search(PrefixDecoder(encoder, prefix, mask, plan, reader), 4, plan, CPU)
        assert sizes == [(4, 6), *expected]


@torch.no_grad()
def test_the_shortest_caption_and_a_prefix_of_one_token() -> None:
    encoder = _encoder()
    plan = GenerationPlan(START, END, 0, num_beams=2, max_tokens=2)
    decoder = PrefixDecoder(encoder, torch.zeros(3, 1, 16), torch.ones(3, 1, dtype=torch.bool), plan, READER)
    assert beam_search(decoder, 3, plan, CPU).ids_BA.shape == (3, 2)
