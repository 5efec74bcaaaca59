"""LAVENDER's cases of reference values: its model with the weights of one, and what each kind of case is compared with.

The logits of a case are those of some columns of the vocabulary; pixels are normalised; ignored labels are -1.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcg.answering import CHOOSINGS
from mcg.answering.asked import Asked
from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES
from mcg.model.lavender import Lavender
from mcg.model.lavender_config import LavenderConfig
from mcg.model.parts.prefix_decoder import PrefixDecoder
from mcg.model.states import GenerationPlan
from mcg.objectives.batch_matching import BatchMatching
from mcg.objectives.choice_matching import ChoiceMatching
from mcg.objectives.config import BatchMatchingConfig, ChoiceMatchingConfig, MaskedLMConfig
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.states import States
from mcg.tasks.config import MultipleChoiceConfig
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL
from tests.parity.released import Case, released_state


class Compared(NamedTuple):
    """Outputs of a case; its tensors that are inputs, and that ours make no use of; the model that gave them."""

    outputs: dict[str, Tensor]
    inputs: set[str]
    model: Lavender


def released_lavender(case: Case, **fields: Any) -> Lavender:
    """Our model with the weights of a case through the converter, in evaluation mode."""
    sizes = case.facts["config"]
    vision = {name: sizes[key] for name, key in (("width", "embed"), ("num_heads", "swin_heads"))}
    vision |= {"depths": sizes["depths"], "window": sizes["window"], "drop_path": 0.0}
    text = {"width": sizes["hidden"], "num_layers": sizes["layers"], "num_heads": sizes["heads"]}
    settings = {"vision": vision, "text": {**text, "max_positions": 64, "dropout": 0.0}, "compat": "released"}
    config = LavenderConfig.model_validate({"name": "lavender", **settings, **fields})
    texts = MaskedWords.of(config)
    conversion = convert(released_state(case), FAMILIES["lavender"], lambda model: model.build(texts), config)
    conversion.check(case.name)
    model: Lavender = config.build(texts)
    model.load_state_dict(conversion.state, strict=False)
    return model.eval()


def pretrain(case: Case) -> Compared:
    """Words and matching, with the negatives of the case."""
    given = case.given
    model = released_lavender(case)
    inputs = {
        "masked_ids": given["input_ids"],
        "masked_mask": given["attention_mask"],
        "masked_labels": _labels(given["mlm_labels"]),
    }
    states = States(model, inputs, with_attention=False)
    states.video = model.encode_pixels(given["pixel_values"].float())
    video_N, text_N = torch.tensor(case.facts["pairs_video_text"]).T
    pairs = given["vtm_labels"].shape
    matching = BatchMatching(BatchMatchingConfig(text="masked"))
    with patch.object(matching, "_texts_of_videos", lambda *_: text_N.view(pairs)):
        losses = {"mlm_loss": MaskedLM(MaskedLMConfig())(states), "vtm_loss": matching(states)}
    loss = torch.stack(list(losses.values())).sum()
    loss.backward()
    masked = model.fuse(states.masked_text, states.video)
    words = model.token_logits(masked.text_BLD[inputs["masked_labels"] != NO_LABEL])
    fused = model.fuse(states.masked_text.rows(text_N), states.video.rows(video_N))
    outputs = {
        **losses,
        "loss": loss,
        "video_tokens": states.video.tokens_BVD,
        "text_embeddings": states.masked_text.states_BLD,
        "mlm_states": masked.text_BLD,
        "mlm_argmax": words.argmax(-1),
        **_columns("mlm", words, case),
        "vtm_states": fused.at_slot().view(*pairs, -1),
        **_columns("vtm", model.match_words(fused)[0].view(*pairs, -1), case),
        **_scores(model.match_logits(fused).view(*pairs, 2), "vtm_true_false_logits", "vtm_score_"),
    }
    outputs.pop("vtm_score_probability")  # not in the case
    return Compared(outputs, {"mlm_labels", "original_ids", "video_mask", "vtm_labels"}, model)


@torch.no_grad()
def retrieval(case: Case) -> Compared:
    """Training on all pairs of a batch, of which two are of one video; evaluation with states that are kept."""
    given, facts = case.given, case.facts
    model = released_lavender(case)
    place_of = {name: place for place, name in enumerate(facts["videos"])}
    key_B = torch.tensor([place_of[name] for name in facts["video_of_text"]])
    inputs = {"text_ids": given["input_ids"], "text_mask": given["attention_mask"], "video_key": key_B[:, None]}
    states = States(model, inputs, with_attention=False)
    videos = model.encode_pixels(given["pixel_values"].float())
    states.video = videos.rows(key_B)
    B, N = len(key_B), len(facts["videos"])
    video_N, text_N = (place.flatten() for place in torch.meshgrid(torch.arange(B), torch.arange(B), indexing="ij"))
    fused = model.fuse(states.text.rows(text_N), states.video.rows(video_N))
    text_M, video_M = (place.flatten() for place in torch.meshgrid(torch.arange(B), torch.arange(N), indexing="ij"))
    scored = model.match_logits(model.fuse(states.text.rows(text_M), videos.rows(video_M))).view(B, N, 2)
    outputs = {
        "loss": BatchMatching(BatchMatchingConfig(texts_per_video=None))(states),
        **_columns("pair", model.match_words(fused)[0].view(B, B, -1), case),
        "pair_true_false_logits": model.match_logits(fused).view(B, B, 2).flip(-1),
        "text_features": states.text.states_BLD,
        "text_features_mask": states.text.mask_BL.long(),
        "video_tokens": videos.tokens_BVD,
        **_scores(scored, "true_false_logits", "score_"),
    }
    return Compared(outputs, {"pair_labels"}, model)


@torch.no_grad()
def one_word(case: Case) -> Compared:
    """Questions and blanks, answered by the word at [MASK], with any prefix."""
    given, facts = case.given, case.facts
    prefix = "instruction" if "prompt" in facts else "task_token" if "task_token" in facts["config"] else "none"
    model = released_lavender(case, prefix=prefix)
    texts = MaskedWords.of(model.config)
    questions = [texts.question(text, facts["config"]["size_txt"]) for text in facts["texts"]]
    L = given["labels_with_prefix"].shape[1]
    ids, mask = (_stacked([question[name] for question in questions], L) for name in ("text_ids", "text_mask"))
    P = facts.get("prefix_length", 0)
    assert torch.equal(ids[:, P:], given["input_ids"]) and torch.equal(mask[:, P:], given["attention_mask"])
    video = model.encode_pixels(given["pixel_values"].float())
    labels = _labels(given["labels_with_prefix"])
    states = States(model, {"masked_ids": ids, "masked_mask": mask, "masked_labels": labels}, with_attention=False)
    states.video = video
    fused = model.fuse(states.masked_text, video)
    logits, words = model.token_logits(fused.text_BLD), model.token_logits(fused.at_slot())
    outputs = {
        "loss": MaskedLM(MaskedLMConfig())(states),
        "states": fused.text_BLD,
        "logits": logits[..., given["vocab_columns"]],
        "logsumexp_at_mask": words.logsumexp(-1),
        "top5": words.topk(5).indices,
        "video_tokens": video.tokens_BVD,
    }
    if "logits_at_mask" in given:
        outputs["logits_at_mask"] = words
    inputs = {"labels", "labels_with_prefix", "prompt_ids", "prompt_mask"} & set(given)
    return Compared(outputs, inputs, model)


@torch.no_grad()
def choices(case: Case) -> Compared:
    """Choices matched one by one, or numbered in the question; released and corrected scores."""
    given, facts = case.given, case.facts
    model, sizes = released_lavender(case), case.facts["config"]
    texts, numbered = MaskedWords.of(model.config), "digit_ids" in case.facts
    rows = []
    for compat in ("corrected", "released"):
        settings = {
            "name": "multiple_choice",
            "clip": {"num_frames": sizes["frames"], "size": sizes["img"]},
            "compat": compat,
        }
        settings |= {"choosing": "numbered" if numbered else "matching", "max_question_tokens": sizes["size_txt"]}
        config = MultipleChoiceConfig.model_validate(settings)
        plain = MultipleChoiceConfig.model_validate({**settings, "with_question": False})
        way, alone = CHOOSINGS[config.choosing](config, texts), CHOOSINGS[config.choosing](plain, texts)
        # the release has empty questions, ours says so for a whole set
        rows.append((way, [(way if item["question"] else alone, item) for item in facts["items"]]))
    video = model.encode_pixels(given["pixel_values"].float())
    name = "masked" if numbered else "choice"
    examples = [
        way.question(item["question"], [item[f"option_{n}"] for n in range(5)], item["answer"], True)
        for way, item in rows[numbered][1]  # the longest numbered choices are cut as released
    ]
    L = given["input_ids"].shape[-1]
    ids, mask = (_stacked([one[f"{name}_{part}"] for one in examples], L) for part in ("ids", "mask"))
    assert torch.equal(ids, given["input_ids"]) and torch.equal(mask, given["attention_mask"])
    inputs = {f"{name}_ids": ids, f"{name}_mask": mask, "text_ids": ids, "text_mask": mask}
    if numbered:
        inputs["masked_labels"] = _labels(given["labels"])
    else:
        inputs["choice_right"] = torch.tensor([[item["answer"]] for item in facts["items"]])
    states = States(model, inputs, with_attention=False)
    states.video = video
    asked = Asked(model, video, inputs)
    corrected, released = (way.scores(asked) for way, _ in rows)
    outputs = {
        "prediction_corrected": corrected.argmax(1),
        "prediction_released": released.argmax(1),
        "score_released": released,
    }
    if numbered:
        words = model.token_logits(asked.fused.at_slot())
        outputs |= {"loss": MaskedLM(MaskedLMConfig())(states), "states": asked.fused.text_BLD}
        outputs |= {"digit_logits": corrected, **_columns("", words, case, "at_mask")}
    else:
        text = model.encode_text(ids.flatten(0, 1), mask.flatten(0, 1).bool())
        fused = model.fuse(text, video.rows(torch.arange(len(ids)).repeat_interleave(5)))
        words = model.match_words(fused)[0].unflatten(0, (-1, 5))
        outputs |= {"loss": ChoiceMatching(ChoiceMatchingConfig())(states), "score_corrected": corrected}
        outputs |= {"states_at_mask": fused.at_slot().unflatten(0, (-1, 5)), **_columns("", words, case, "at_mask")}
        outputs["true_false_logits"] = model.match_logits(fused).unflatten(0, (-1, 5)).flip(-1)
    return Compared(outputs, {"labels"}, model)


@torch.no_grad()
def caption(case: Case) -> Compared:
    """Masked words under the left-to-right mask; captions, and the words that each step may choose from."""
    given, facts = case.given, case.facts
    prefix = "instruction" if "prompt" in facts else "none"
    model = released_lavender(case, prefix=prefix)
    texts = MaskedWords.of(model.config)
    B, L = given["labels_with_prefix"].shape
    prompt_ids, prompt_mask = (torch.from_numpy(row).expand(B, -1) for row in texts.prompt().values())
    ids = torch.cat([prompt_ids, given["input_ids"]], 1)
    labels = _labels(given["labels_with_prefix"])
    original = [
        texts.caption(text, facts["config"]["size_txt"], 0.5, np.random.default_rng(0)) for text in facts["texts"]
    ]
    told = _stacked(
        [np.where(one["masked_labels"] == NO_LABEL, one["masked_ids"], one["masked_labels"]) for one in original], L
    )
    assert torch.equal(told[:, L - given["original_ids"].shape[1] :], given["original_ids"])
    # the padding that the release lets its own rows see is behind all words
    inputs = {"masked_ids": ids, "masked_mask": torch.ones_like(ids), "masked_labels": labels}
    states = States(model, inputs, with_attention=False)
    states.video = video = model.encode_pixels(given["pixel_values"].float())
    with patch.object(model.text, "forward", wraps=model.text.forward) as layers:
        fused = model.fuse(states.masked_text, video, causal=True)
    words = model.token_logits(fused.text_BLD[labels != NO_LABEL])
    plan = GenerationPlan(
        start_id=texts.start_id,
        end_id=texts.end_id,
        pad_id=texts.pad_id,
        num_beams=1,
        max_tokens=facts["config"]["max_gen_length"],
    )
    prompt = model.encode_text(prompt_ids, prompt_mask.bool())
    found = model.caption(prompt, video, plan)
    before = torch.cat([video.tokens_BVD, prompt.states_BLD], 1)
    seen = torch.cat([video.mask_BV, prompt.mask_BL], 1)
    decoder, word_B1, zero_B1 = (
        PrefixDecoder(model.text, before, seen, plan, texts.mask_id),
        found.ids_BA[:, :1],
        torch.zeros_like(found.ids_BA[:, :1]),
    )
    steps = []
    for word_B in given["step_argmax"].T:
        steps.append(decoder.add(word_B1, zero_B1)[:, 0])
        word_B1 = word_B[:, None]
    step = torch.stack(steps, 1)
    ended = (given["step_argmax"] == texts.end_id).long().cumsum(1) - (given["step_argmax"] == texts.end_id).long() > 0
    stepwise = {**_columns("step", step, case), "step_argmax": step.argmax(-1)}
    for name, values in stepwise.items():  # no meaning behind the end
        values[ended] = given[name][ended]
    outputs = {
        "attention": layers.call_args.args[1].to(torch.uint8),
        "states": fused.text_BLD,
        **_columns("mlm", words, case),
        "caption_loss": MaskedLM(MaskedLMConfig(causal=True))(states),
        "video_tokens": video.tokens_BVD,
        "generated_ids": found.ids_BA,
        "mean_log_probability": found.scores_B,
        **stepwise,
    }
    if "prompt" in facts:
        assert torch.equal(prompt_ids[0], given["prompt_ids"])
    assert [texts.decode(row.numpy()) for row in found.ids_BA] == facts["generated_text"]
    return Compared(outputs, INPUTS & set(given), model)


INPUTS = {"labels", "labels_with_prefix", "original_ids", "decode_input_ids", "prompt_ids", "prompt_mask"}


def _labels(released: Tensor) -> Tensor:
    return released.masked_fill(released == -1, NO_LABEL)


def _stacked(rows: list[Any], L: int) -> Tensor:
    return torch.stack([functional.pad(torch.from_numpy(row), (0, L - row.shape[-1])) for row in rows])


def _columns(name: str, logits: Tensor, case: Case, place: str = "") -> dict[str, Tensor]:
    """The logits of a case's columns, and the logarithm of the sum over all."""
    found = {"logits": logits[..., case.given["vocab_columns"]], "logsumexp": logits.logsumexp(-1)}
    return {"_".join(part for part in (name, kind, place) if part): values for kind, values in found.items()}


def _scores(false_true: Tensor, name: str, score: str) -> dict[str, Tensor]:
    """The logits as the case has them, true first, and the three scores of a match."""
    false, true = false_true.unbind(-1)
    return {
        name: torch.stack([true, false], -1),
        f"{score}released": true / (true + false),
        f"{score}corrected": true - false,
        f"{score}probability": (true - false).sigmoid(),
    }
