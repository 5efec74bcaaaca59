"""LAVENDER: video, prefix and text in one sequence; what is read at [MASK]; what padding and later words change."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mcg.model.states import GenerationPlan
from mcg.text.masked_words import MaskedWords
from tests.mcg.small_lavender import frames, lavender_config, make_inputs, make_lavender

PREFIXES = ("none", "instruction", "task_token")
PLACES = ("end", "start", "tenth", "first")


def _inputs(model: Any) -> dict[str, torch.Tensor]:
    return make_inputs(MaskedWords.of(model.config))


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("mask_at", PLACES)
def test_the_answer_is_read_at_the_mask_of_matching(mask_at: str, prefix: str) -> None:
    model = make_lavender(mask_at=mask_at, prefix=prefix)
    inputs = _inputs(model)
    for name in ("text", "masked"):  # words masked for their own sake are not taken for it
        ids = inputs[f"{name}_ids"]
        text = model.encode_text(ids, inputs[f"{name}_mask"].bool())
        assert text.slot_B is not None and text.prefix_B is not None
        places = text.slot_B - text.prefix_B
        assert places.tolist() == [{"end": 14, "start": 0, "tenth": 10, "first": 0}[mask_at]] * 4
        assert (ids[torch.arange(4), text.slot_B] == model._texts.mask_id).all()


def test_a_text_without_a_mask_is_read_at_its_last_token() -> None:
    model = make_lavender()
    ids = torch.tensor([[101, 1037, 3899, 102, 0, 0]])
    text = model.encode_text(ids, ids > 0)
    assert text.slot_B is not None and text.slot_B.tolist() == [3]


def test_a_match_is_the_words_false_and_true_and_nothing_else() -> None:
    model, texts = make_lavender(), MaskedWords()
    inputs = _inputs(model)
    fused = model.fuse(model.encode_text(inputs["text_ids"], inputs["text_mask"].bool()), model.encode_video(frames()))
    words = model.token_logits(fused.text_BLD[torch.arange(4), -1])
    torch.testing.assert_close(model.match_logits(fused), words[:, [texts.false_id, texts.true_id]])


@pytest.mark.parametrize("prefix", PREFIXES)
def test_padding_changes_nothing(prefix: str) -> None:
    model = make_lavender(prefix=prefix)
    inputs, video = _inputs(model), model.encode_video(frames())
    ids, mask = inputs["text_ids"], inputs["text_mask"].bool()
    more = torch.nn.functional.pad(ids, (0, 3)), torch.nn.functional.pad(mask, (0, 3))
    found, expected = (model.fuse(model.encode_text(*pair), video) for pair in (more, (ids, mask)))
    torch.testing.assert_close(found.text_BLD[:, : ids.shape[1]][mask], expected.text_BLD[mask])
    torch.testing.assert_close(model.match_logits(found), model.match_logits(expected))


def test_positions_begin_anew_behind_an_instruction() -> None:
    plain, with_instruction = make_lavender(), make_lavender(prefix="instruction")
    pair, longer = _inputs(plain), _inputs(with_instruction)
    alone = plain.encode_text(pair["text_ids"], pair["text_mask"].bool())
    text = with_instruction.encode_text(longer["text_ids"], longer["text_mask"].bool())
    assert text.prefix_B is not None
    P = int(text.prefix_B[0])
    assert P == longer["text_ids"].shape[1] - pair["text_ids"].shape[1] > 9
    torch.testing.assert_close(text.states_BLD[:, P:], alone.states_BLD)


def test_a_task_token_is_a_row_of_its_table_as_it_is() -> None:
    model = make_lavender(prefix="task_token")
    inputs = _inputs(model)
    matching, caption = (
        model.encode_text(inputs[f"{name}_ids"], inputs[f"{name}_mask"].bool()).states_BLD[:, 0]
        for name in ("text", "masked")
    )
    assert torch.equal(matching, model.task_embed.weight[[0]].expand(4, -1))
    assert torch.equal(caption, model.task_embed.weight[[3]].expand(4, -1))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_causal_text_sees_the_video_its_prefix_and_what_stands_before(prefix: str) -> None:
    model = make_lavender(prefix=prefix)
    inputs, video = _inputs(model), model.encode_video(frames())
    ids, mask = inputs["text_ids"], torch.ones_like(inputs["text_mask"]).bool()
    text = model.encode_text(ids, mask)
    assert text.prefix_B is not None
    changed_at = int(text.prefix_B[0]) + 4
    other = ids.clone()
    other[:, changed_at] = 2158
    plain = model.fuse(text, video, causal=True)
    changed = model.fuse(model.encode_text(other, mask), video, causal=True)
    same = (plain.text_BLD - changed.text_BLD).abs().amax(-1) == 0
    assert same[:, :changed_at].all() and not same[:, changed_at:].any()
    assert torch.equal(plain.video_BVD, changed.video_BVD)
    moved = model.fuse(text, model.encode_video(frames(seed=1)), causal=True)
    assert ((plain.text_BLD - moved.text_BLD).abs().amax(-1) > 0).all()


def test_every_frame_counts_and_none_is_like_another() -> None:
    model = make_lavender()
    clip = frames(1, 3)
    found = model.encode_video(clip).tokens_BVD
    assert found.shape == (1, 3 * 17, 16)  # 16 patches of 8 pixels, two stages
    swapped = model.encode_video(clip[:, [1, 0, 2]]).tokens_BVD
    assert not torch.allclose(found.mean(1), swapped.mean(1), atol=1e-4)


def test_every_weight_is_trained_with_recomputed_activations_to_the_same_gradient() -> None:
    gradients = []
    for on in (False, True):
        model = make_lavender(prefix="task_token").train()
        model.checkpoint_activations(on)
        inputs = _inputs(model)
        text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        fused = model.fuse(text, model.encode_video(inputs["frames"]))
        model.match_words(fused)[0].logsumexp(-1).sum().backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert [name for name, gradient in gradients[0].items() if gradient is None] == []
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_what_it_does_not_have_is_refused_with_its_name() -> None:
    model = make_lavender()
    with pytest.raises(ValueError, match="no video_features"):
        model.video_features(model.encode_video(frames()))
    with pytest.raises(ValueError, match="no mask of frames"):
        model.encode_video(frames(), torch.ones(4, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="no encoder of features"):
        model.encode_video(torch.zeros(1, 7, 512))


def test_a_config_builds_its_model_with_the_texts_vocabulary() -> None:
    model = make_lavender()
    assert model.config == lavender_config()
    assert model.text.predictions.decoder.weight.shape == (30522, 16)
    assert model.text.predictions.decoder.weight is not model.text.bert.embeddings.word_embeddings.weight


def _captions(model: Any, num_beams: int = 1) -> torch.Tensor:
    texts = MaskedWords.of(model.config)
    ids, mask = (torch.from_numpy(row).expand(4, -1) for row in texts.prompt().values())
    plan = GenerationPlan(texts.start_id, texts.end_id, texts.pad_id, num_beams, max_tokens=6)
    return model.caption(model.encode_text(ids, mask.bool()), model.encode_video(frames()), plan).ids_BA


@pytest.mark.parametrize("prefix", PREFIXES)
def test_each_word_of_a_caption_is_the_likeliest_at_a_mask_behind_those_before(prefix: str) -> None:
    model = make_lavender(prefix=prefix)
    texts, video = MaskedWords.of(model.config), model.encode_video(frames())
    prompt = torch.from_numpy(texts.prompt()["prompt_ids"]).expand(4, -1)
    found = _captions(model)
    for length in range(1, 6):
        ids = torch.cat([prompt, found[:, :length], torch.full((4, 1), texts.mask_id)], 1)
        text = model.encode_text(ids, torch.ones_like(ids, dtype=torch.bool))
        words = model.token_logits(model.fuse(text, video, causal=True).text_BLD[:, -1]).argmax(-1)
        going_on = ~(found[:, 1:length] == texts.end_id).any(1)
        assert torch.equal(words[going_on], found[going_on, length]), f"word {length}"


def test_an_unfinished_caption_stays_and_as_released_loses_its_last_word() -> None:
    ours, released = make_lavender(), make_lavender(compat="released")
    end = MaskedWords().end_id
    kept, cut = _captions(ours), _captions(released)
    unfinished = ~(kept == end).any(1)
    assert unfinished.any() and torch.equal(kept[:, :-1], cut[:, :-1])
    assert (cut[unfinished, -1] == end).all() and torch.equal(kept[~unfinished], cut[~unfinished])


def test_captions_by_beams_are_no_less_likely() -> None:
    assert _captions(make_lavender(), num_beams=3).shape == (4, 6)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_heads_by_task_read_the_first_token_of_the_text(prefix: str) -> None:
    model = make_lavender(heads="task", num_classes={"answers": 5, "tgif": 3}, prefix=prefix)
    inputs, video = _inputs(model), model.encode_video(frames())
    ids, mask = inputs["text_ids"], inputs["text_mask"].bool()
    assert not (ids == model._texts.mask_id).any()
    fused = model.fuse(model.encode_text(ids, mask), video)
    first_BD = fused.text_BLD[:, 0]
    assert model.match_head is not None
    logits = model.match_logits(fused)
    torch.testing.assert_close(logits, torch.cat([torch.zeros(4, 1), model.match_head(first_BD)], 1))
    for head, classes in (("answers", 5), ("tgif", 3)):
        assert model.classify(fused, head).shape == (4, classes)
        torch.testing.assert_close(model.classify(fused, head), model.classifiers[head](first_BD))
    more = torch.nn.functional.pad(ids, (0, 3)), torch.nn.functional.pad(mask, (0, 3))
    torch.testing.assert_close(model.match_logits(model.fuse(model.encode_text(*more), video)), logits)


def test_a_classifier_that_is_not_there_is_named() -> None:
    for fields, message in (
        ({}, r"no classifier answers; it has none \(model\.heads, model\.num_classes\)"),
        ({"heads": "task", "num_classes": {"msvd": 5}}, r"no classifier answers; it has msvd \("),
    ):
        model = make_lavender(**fields)
        inputs = _inputs(model)
        text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        with pytest.raises(ValueError, match=message):
            model.classify(model.fuse(text, model.encode_video(frames())))


def test_the_switch_changes_no_weight_of_the_one_head() -> None:
    one, many = (make_lavender(seed=3, **fields).state_dict() for fields in ({}, {"heads": "task"}))
    assert set(many) - set(one) == {f"match_head.{n}.{part}" for n in (1, 3) for part in ("weight", "bias")}
    weights = {name: weight for name, weight in one.items() if not name.endswith("bias")}  # drawn anew behind them
    assert all(torch.equal(many[name], weight) for name, weight in weights.items())


def test_the_first_embeddings_of_frames_and_places_spread_as_told() -> None:
    wide, usual = make_lavender(position_std=2.0), make_lavender()
    for name in ("patch_embed", "frame_embed"):
        torch.testing.assert_close(
            getattr(wide.frames, name) * 0.3, getattr(usual.frames, name) * 2.0
        )  # the text's are 0.3
    torch.testing.assert_close(wide.frames.cls_token, usual.frames.cls_token)
