"""The text encoder, fusion and decoder: padding, order, the [CLS] attention, causality, generation, tied weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mcg.model.parts.bert import Decoder, Memory, TextEncoder
from mcg.model.states import Fused, GenerationPlan, TextStates, VideoStates
from tests.mcg.small_model import VOCABULARY, make_inputs, text_config

INPUTS = make_inputs()
IDS, MASK = INPUTS["text_ids"], INPUTS["text_mask"].bool()


def _encoder(**fields: object) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(text_config(**fields), VOCABULARY).eval()


def _decoder(**fields: object) -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(text_config(**fields), VOCABULARY).eval()
    torch.nn.init.normal_(decoder.bert.cls.predictions.bias, std=2.0)
    return decoder


def _memory(num_samples: int = 4, num_tokens: int = 5) -> Memory:
    states = torch.randn(num_samples, num_tokens, 16, generator=torch.Generator().manual_seed(3))
    mask = torch.ones(num_samples, num_tokens, dtype=torch.bool)
    mask[0, 3:] = False
    return Memory(states, mask)


def _plan(**fields: int) -> GenerationPlan:
    return GenerationPlan(**{"start_id": 3, "end_id": 2, "pad_id": 0, "num_beams": 2, "max_tokens": 7} | fields)


def _video(num_samples: int = 4) -> VideoStates:
    return VideoStates(torch.randn(num_samples, 5, 16), torch.ones(num_samples, 5, dtype=torch.bool))


def _sequence(fused: Fused) -> tuple[Tensor, Tensor]:
    """States and mask of text and video one after the other."""
    states = torch.cat([fused.text_BLD, fused.video_BVD], 1)
    return states, torch.cat([fused.text_mask_BL, fused.video_mask_BV], 1)


def test_shapes() -> None:
    encoder = _encoder()
    states = encoder(IDS, MASK)
    assert states.states_BLD.shape == (4, 8, 16) and states.attention_BL is None
    assert encoder(IDS, MASK, with_attention=True).attention_BL.shape == (4, 8)
    assert encoder.predictions(states.states_BLD[:, 0]).shape == (4, VOCABULARY)
    states, mask = _sequence(encoder.fuse(states, _video()))
    assert states.shape == (4, 13, 16) and mask.shape == (4, 13)


def test_padding_changes_nothing() -> None:
    encoder, video = _encoder(), _video()
    padded = encoder(IDS, MASK, with_attention=True)
    fused, _ = _sequence(encoder.fuse(padded, video))
    for i in range(4):
        length = int(MASK[i].sum())
        alone = encoder(IDS[i : i + 1, :length], MASK[i : i + 1, :length], with_attention=True)
        torch.testing.assert_close(padded.states_BLD[i, :length], alone.states_BLD[0])
        torch.testing.assert_close(padded.attention_BL[i, :length], alone.attention_BL[0])
        assert not padded.attention_BL[i, length:].any()
        fused_alone = _sequence(encoder.fuse(alone, video.rows(torch.tensor([i]))))[0][0]
        torch.testing.assert_close(fused[i, :length], fused_alone[:length])
        torch.testing.assert_close(fused[i, 8:], fused_alone[length:])


def test_fusion_runs_the_same_layers_over_text_then_video() -> None:
    encoder, video = _encoder(), _video()
    text = encoder(IDS, MASK)
    states = torch.cat([text.states_BLD, video.tokens_BVD], 1)
    mask = torch.cat([MASK, torch.ones(4, 5, dtype=torch.bool)], 1)
    for layer in encoder.bert.encoder.layer:
        states = layer(states, attention_mask=mask[:, None, None])
    fused, seen = _sequence(encoder.fuse(text, video))
    torch.testing.assert_close(fused, states)
    assert torch.equal(seen, mask)


def test_split_layers_are_text_first_and_fusion_last() -> None:
    encoder, video = _encoder(num_layers=3, num_fusion_layers=2), _video()
    text = encoder(IDS, MASK, with_attention=True)
    states = encoder.bert.embeddings(input_ids=IDS)
    layers = encoder.bert.encoder.layer
    torch.testing.assert_close(text.states_BLD, layers[0](states, attention_mask=MASK[:, None, None]))
    torch.testing.assert_close(text.attention_BL.sum(1), torch.ones(4))
    fused, seen = _sequence(encoder.fuse(text, video))
    states = torch.cat([text.states_BLD, video.tokens_BVD], 1)
    for layer in layers[1:]:
        states = layer(states, attention_mask=seen[:, None, None])
    torch.testing.assert_close(fused, states)


@pytest.mark.parametrize("split", [None, 1])
def test_fusion_by_cross_attention_gives_text_that_has_seen_the_video(split: int | None) -> None:
    encoder = _encoder(fusion="cross_attention", num_fusion_layers=split)
    video = _video()
    text = encoder(IDS, MASK)
    fused = encoder.fuse(text, video)
    assert fused.text_BLD.shape == (4, 8, 16) and torch.equal(fused.text_mask_BL, MASK)
    assert torch.equal(fused.video_BVD, video.tokens_BVD)
    other = video._replace(tokens_BVD=video.tokens_BVD + 1)
    assert (encoder.fuse(text, other).text_BLD - fused.text_BLD).abs().max() > 0.01
    torch.testing.assert_close(encoder(IDS, MASK).states_BLD, text.states_BLD)
    alone = encoder.fuse(TextStates(text.states_BLD[:1, :3], MASK[:1, :3]), video.rows(torch.tensor([0])))
    if not MASK[0, 3:].any():
        torch.testing.assert_close(alone.text_BLD[0], fused.text_BLD[0, :3])
    with_cross = [hasattr(layer, "crossattention") for layer in encoder.bert.encoder.layer]
    assert with_cross == ([True, True] if split is None else [False, True])
    fused.text_BLD.square().sum().backward()
    trained = {n for n, p in encoder.bert.named_parameters() if p.grad is not None}
    assert trained == {n for n, _ in encoder.bert.named_parameters()}


def test_text_sees_both_ways_also_where_fusion_is_by_cross_attention() -> None:
    encoder, everything = _encoder(fusion="cross_attention"), torch.ones(1, 4, dtype=torch.bool)
    states = encoder(torch.tensor([[1, 7, 8, 2]]), everything).states_BLD[:, 0]
    other = encoder(torch.tensor([[1, 7, 9, 2]]), everything).states_BLD[:, 0]
    assert (states - other).abs().max() > 0.01


def test_the_head_for_masked_words_is_its_own_tied_or_absent() -> None:
    tied = _encoder(token_head="tied")
    assert tied.predictions.decoder.weight is tied.bert.embeddings.word_embeddings.weight
    assert _encoder().predictions.decoder.weight is not _encoder().bert.embeddings.word_embeddings.weight
    assert _encoder(token_head="none").predictions is None


def test_without_positions_the_order_of_words_does_not_matter() -> None:
    encoder, everything = _encoder(), torch.ones(1, 4, dtype=torch.bool)
    states = encoder(torch.tensor([[1, 7, 8, 2]]), everything, positions=False).states_BLD[:, 0]
    swapped = encoder(torch.tensor([[1, 8, 7, 2]]), everything, positions=False).states_BLD[:, 0]
    torch.testing.assert_close(states, swapped)


def test_the_order_of_words_matters() -> None:
    encoder, everything = _encoder(), torch.ones(1, 4, dtype=torch.bool)
    states = encoder(torch.tensor([[1, 7, 8, 2]]), everything).states_BLD[:, 0]
    swapped = encoder(torch.tensor([[1, 8, 7, 2]]), everything).states_BLD[:, 0]
    assert (states - swapped).abs().max() > 0.01


def test_cls_attention_equals_the_row_of_the_full_attention() -> None:
    encoder = _encoder()
    found = encoder(IDS, MASK, with_attention=True).attention_BL
    given: list[Tensor] = []
    encoder.bert.encoder.layer[-1].register_forward_hook(lambda _, args, __: given.append(args[0]))
    encoder(IDS, MASK)
    attention = encoder.bert.encoder.layer[-1].attention.self
    q, k = attention.query(given[0]), attention.key(given[0])
    naive = torch.zeros(4, 8)
    for head in range(2):
        part = slice(8 * head, 8 * head + 8)
        logits = q[..., part] @ k[..., part].transpose(1, 2) / 8**0.5
        naive += logits.masked_fill(~MASK[:, None], float("-inf")).softmax(-1)[:, 0] / 2
    torch.testing.assert_close(found, naive)
    torch.testing.assert_close(found.sum(1), torch.ones(4))
    assert not found.requires_grad


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"hidden size \(16\) is not a multiple of the number of attention heads \(3\)"
    ):
        _encoder(num_heads=3)


def test_a_decoder_state_sees_its_past_and_the_memory_only() -> None:
    decoder, memory = _decoder(), _memory()
    ids, mask = IDS.clone(), torch.ones_like(MASK)
    states = decoder(ids, mask, memory)
    assert states.shape == (4, 8, 16)
    later = ids.clone()
    later[:, 5:] = 9
    torch.testing.assert_close(decoder(later, mask, memory)[:, :5], states[:, :5])
    other = memory._replace(states_BFD=memory.states_BFD + 1)
    assert (decoder(ids, mask, other) - states).abs().max() > 0.01
    hidden = memory.states_BFD.clone()
    hidden[0, 3:] = 100.0  # behind the memory's mask
    torch.testing.assert_close(decoder(ids, mask, memory._replace(states_BFD=hidden)), states)


def test_the_output_layer_of_the_decoder_is_its_word_embedding() -> None:
    decoder = _decoder()
    embeddings = decoder.bert.bert.embeddings.word_embeddings.weight
    assert decoder.bert.cls.predictions.decoder.weight is embeddings
    logits = decoder.token_logits(torch.randn(3, 16))
    logits.sum().backward()
    assert logits.shape == (3, VOCABULARY) and embeddings.grad is not None


@pytest.mark.parametrize("seed", range(3))
def test_one_beam_is_the_greedy_choice_step_by_step(seed: int) -> None:
    decoder, memory = _decoder(), _memory()
    torch.nn.init.normal_(decoder.bert.cls.predictions.bias, std=1.0, generator=torch.Generator().manual_seed(seed))
    ids = torch.full((4, 1), 3)
    while ids.shape[1] < 9:
        logits = decoder.token_logits(decoder(ids, torch.ones_like(ids), memory)[:, -1])
        chosen = logits.argmax(-1).masked_fill((ids == 2).any(1), 0)
        ids = torch.cat([ids, chosen[:, None]], 1)
    found = decoder.generate(memory, _plan(num_beams=1, max_tokens=9)).ids_BA
    assert found.dtype == torch.int64
    assert torch.equal(found, ids[:, : found.shape[1]])
    assert not ids[:, found.shape[1] :].any()


def test_more_beams_find_an_answer_at_least_as_probable() -> None:
    decoder, memory = _decoder(), _memory()

    def score(ids: Tensor) -> Tensor:
        logits = decoder.token_logits(decoder(ids[:, :-1], torch.ones_like(ids[:, :-1]), memory)).log_softmax(-1)
        return logits.gather(2, ids[:, 1:, None]).squeeze(2).sum(1)

    with torch.no_grad():
        decoder.bert.cls.predictions.bias[2] = -1e4  # no early end, so all answers are of one length
        greedy = score(decoder.generate(memory, _plan(num_beams=1, max_tokens=4)).ids_BA)
        wide = score(decoder.generate(memory, _plan(num_beams=VOCABULARY // 2, max_tokens=4)).ids_BA)
    assert (wide >= greedy - 1e-4).all()


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_score_of_an_answer_is_its_mean_log_probability(num_beams: int) -> None:
    decoder, memory = _decoder(), _memory()
    torch.nn.init.normal_(decoder.bert.cls.predictions.bias, std=0.5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        decoder.bert.cls.predictions.bias[2] += 2.0  # so that answers end at several lengths
    found = decoder.generate(memory, _plan(num_beams=num_beams, max_tokens=9))
    ids = found.ids_BA
    ended = ((ids == 2).cumsum(1) - (ids == 2).long()) > 0
    with torch.no_grad():
        logs = decoder.token_logits(decoder(ids[:, :-1], ~ended[:, :-1], memory)).log_softmax(-1)
        total = (logs.gather(2, ids[:, 1:, None]).squeeze(2) * ~ended[:, 1:]).sum(1)
    torch.testing.assert_close(found.scores_B, total / (~ended).sum(1).sub(1))


def test_an_answer_does_not_end_before_its_least_length() -> None:
    decoder, memory = _decoder(), _memory()
    with torch.no_grad():
        decoder.bert.cls.predictions.bias[2] = 50.0
    assert decoder.generate(memory, _plan()).ids_BA.shape[1] == 2
    assert decoder.generate(memory, _plan(min_tokens=4)).ids_BA.shape[1] == 5


def test_generation_does_not_depend_on_who_else_is_in_the_batch() -> None:
    decoder, memory = _decoder(), _memory()
    together = decoder.generate(memory, _plan(num_beams=3)).ids_BA
    for i in range(4):
        alone = decoder.generate(Memory(*(part[i : i + 1] for part in memory)), _plan(num_beams=3)).ids_BA[0]
        assert torch.equal(alone, together[i, : len(alone)]) and not together[i, len(alone) :].any()


def test_activation_checkpointing_changes_no_gradient() -> None:
    encoder, decoder = _encoder(dropout=0.2).train(), _decoder(dropout=0.2).train()
    results, video = [], _video()
    for on in (False, True):
        encoder.activation_checkpointing = on
        decoder.checkpoint_activations(on)
        encoder.zero_grad()
        decoder.zero_grad()
        torch.manual_seed(7)  # dropout drops the same again
        text = encoder(IDS, MASK, with_attention=True)
        states = decoder(IDS, MASK, Memory(*_sequence(encoder.fuse(text, video))))
        loss = decoder.token_logits(states).square().mean() + encoder.predictions(text.states_BLD).square().mean()
        loss.backward()
        parameters = [*encoder.named_parameters(), *decoder.named_parameters()]
        results.append((loss.item(), {name: p.grad for name, p in parameters}))
    (plain, gradients), (spared, spared_gradients) = results
    assert spared == plain and all(gradient is not None for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(spared_gradients[name], gradient, msg=name)
