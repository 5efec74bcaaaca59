"""LAVENDER's checkpoints: every key has its place or a reason, and BERT begins its text half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertForPreTraining

from mcg.convert.account import Conversion
from mcg.convert.convert import convert, detect
from mcg.convert.families import FAMILIES, TARGETS
from mcg.convert.reading import Released
from mcg.convert.rules import ConvertError
from mcg.text.masked_words import MaskedWords
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.small_lavender import lavender_config, make_lavender
from tests.mcg.small_model import model_config
from tests.parity.released import read_case, released_state

TEXTS = MaskedWords()
CONFIG = lavender_config(
    vision={"width": 24, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8), "window": (8, 2, 2)},
    text={"width": 96, "num_layers": 3, "num_heads": 4, "max_positions": 64},
)
"""Of the reference case."""


def _converted(state: dict[str, Tensor], kind: str, config: Any = None) -> Conversion:
    return convert(state, FAMILIES[kind], lambda model: model.build(TEXTS), config)


def test_a_released_checkpoint_is_told_by_its_keys_and_used_whole() -> None:
    state = {**released_state(read_case("lavender_openqa_a")), "fc.0.weight": torch.zeros(2, 2)}
    assert detect(Released(Path("a"), state, None)).name == "lavender"
    conversion = _converted(state, "lavender", CONFIG)
    conversion.check("case")
    dropped = {entry.key for entry in conversion.entries if entry.status == "dropped"}
    assert "fc.0.weight" in dropped and "enc_img.emb_odr" in dropped
    assert {key for key in dropped if not key.endswith("relative_position_index")} == {
        "enc_img.emb_odr",
        "enc_txt.emb_txt.position_ids",
        "fc.0.weight",
        "fc_mtm.predictions.decoder.bias",  # the same as predictions.bias
    }
    assert {entry.status for entry in conversion.entries} == {"used", "dropped"}


def test_a_model_of_another_size_is_refused_with_the_setting() -> None:
    state = released_state(read_case("lavender_openqa_a"))
    with pytest.raises(ConvertError, match=r"width 24, and model\.vision\.width is 8; set it to 24"):
        _converted(state, "lavender", lavender_config())


def test_bert_begins_the_text_half_with_its_own_head() -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    bert = BertForPreTraining(BertConfig(vocab_size=30522, max_position_embeddings=64, **sizes)).eval()
    state = dict(bert.state_dict())
    released = Released(Path("a"), state, None)
    assert detect(released).name == "bert"  # MCG's, where no model is asked for
    assert detect(released, TARGETS["lavender"]).name == "lavender_bert"
    conversion = _converted(state, "lavender_bert", lavender_config())
    conversion.check("bert")
    model = make_lavender()
    model.load_state_dict(conversion.state, strict=False)
    ids, mask = torch.randint(5, 30522, (2, 9)), torch.ones(2, 1, 9, dtype=torch.bool)
    with torch.no_grad():
        found = model.token_logits(model.text(model.text.embed(ids, torch.arange(9).expand(2, 9)), mask))
        expected = bert(input_ids=ids).prediction_logits
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_bert_with_old_names_of_norms_and_no_head_is_enough() -> None:
    state = draw(layouts.hugging_face_bert(SMALL, True))
    config = lavender_config(text={"width": 64, "num_layers": 2, "num_heads": 1, "max_positions": 24})
    found = _converted(state, "lavender_bert", config).state
    assert torch.equal(found["text.bert.embeddings.LayerNorm.weight"], state["bert.embeddings.LayerNorm.gamma"])
    headless = {key: value for key, value in state.items() if not key.startswith("cls.")}
    conversion = _converted(headless, "lavender_bert", config)
    assert [name for name in conversion.state if "predictions" in name] == ["text.predictions.decoder.weight"]
    conversion.check("headless")


def test_a_checkpoint_for_another_model_is_refused() -> None:
    state = released_state(read_case("lavender_openqa_a"))
    with pytest.raises(ConvertError, match=r"LAVENDER is for a model of model\.name lavender"):
        convert(state, FAMILIES["lavender"], lambda model: model.build(TEXTS), model_config())
    with pytest.raises(ConvertError, match=r"LAVENDER is for a model of model\.name lavender"):
        detect(Released(Path("a"), state, None), TARGETS["mcg"])


def _by_task(state: dict[str, Tensor], outputs: int, name: str = "fc") -> dict[str, Tensor]:
    """The released weights with a head of the baseline."""
    sizes = {"1.weight": (192, 96), "1.bias": (192,), "3.weight": (outputs, 192), "3.bias": (outputs,)}
    return state | {f"{name}.{key}": torch.randn(shape) for key, shape in sizes.items()}


def _without_words(outputs: int) -> dict[str, Tensor]:
    state = released_state(read_case("lavender_openqa_a"))
    return _by_task(
        {key: value for key, value in state.items() if not key.startswith(("fc_mtm.", "emb_task"))}, outputs
    )


@pytest.mark.parametrize(
    ("outputs", "head", "other"), [(1, "match_head", "classifiers.answers"), (7, "classifiers.answers", "match_head")]
)
def test_the_head_of_a_task_is_used_for_what_it_is(outputs: int, head: str, other: str) -> None:
    state = _without_words(outputs)
    assert detect(Released(Path("a"), state, None)).name == "lavender_task"
    config = CONFIG.model_copy(update={"heads": "task", "num_classes": {"answers": 7}})
    conversion = _converted(state, "lavender_task", config)
    conversion.check("by task")
    for key in ("1.weight", "1.bias", "3.weight", "3.bias"):
        assert torch.equal(conversion.state[f"{head}.{key}"], state[f"fc.{key}"]), key
    assert f"{other}.3.weight" not in conversion.state  # the first layer is shared, as released
    notes = {entry.key: entry.note for entry in conversion.entries}
    assert f"{other}.3.weight stays as it was drawn" in notes["fc.3.weight"]
    assert notes["text.predictions.transform.dense.weight"] == "fresh: fine-tuning saved none"
    model = config.build(MaskedWords(heads="task"))
    model.load_state_dict(conversion.state, strict=False)


def test_many_tasks_in_one_model_have_a_head_each() -> None:
    state = released_state(read_case("lavender_openqa_a"))
    state = _by_task(_by_task(_by_task(state, 1), 9, "fc_qaoe_msvd_qa"), 5, "fc_qamc_tgif_action")
    config = CONFIG.model_copy(update={"heads": "task", "num_classes": {"msvd_qa": 9, "tgif_action": 5}})
    conversion = _converted(state, "lavender_task", config)
    conversion.check("many tasks")
    for head, key in (("match_head", "fc"), ("classifiers.msvd_qa", "fc_qaoe_msvd_qa")):
        assert torch.equal(conversion.state[f"{head}.3.weight"], state[f"{key}.3.weight"])
    assert torch.equal(conversion.state["classifiers.tgif_action.1.bias"], state["fc_qamc_tgif_action.1.bias"])


def test_a_model_of_one_head_leaves_heads_by_task_out() -> None:
    state = _by_task(released_state(read_case("lavender_openqa_a")), 1)
    assert detect(Released(Path("a"), state, None)).name == "lavender"
    conversion = _converted(state, "lavender", CONFIG)
    conversion.check("words")
    notes = {entry.key: entry.note for entry in conversion.entries}
    assert notes["fc.3.weight"] == "the model has no head for matching (model.heads: words)"
