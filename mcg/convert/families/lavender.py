"""LAVENDER (microsoft/LAVENDER, `ckpt_violet_*.pt`), and BERT as its start (docs/facts/lavender.md 4).

The released head for words has a bias under two names, and is not tied to the word embeddings. Those of the baseline
with a head for each task call it `fc`, whatever it is for, and with many tasks in one model `fc_KIND_TASK` beside it.
"""

from __future__ import annotations

from mcg.convert.families.bert import BERT_SIGNS, bert_rules
from mcg.convert.families.lavender_model import LAVENDER_MODEL, TASK_HEADS, derive, derive_by_task
from mcg.convert.families.swin import swin_rules
from mcg.convert.rules import POSITION_IDS, Family, Fill, Rule

_SIGNS = (r"enc_img\.emb_cls", r"trsfr\.layer\.0\.attention\.self\.query\.weight")
_RULES = (
    Rule(r"enc_txt\.emb_txt\.position_ids", reason=POSITION_IDS),
    Rule(r"enc_img\.emb_odr", reason="order of frames shuffled by VIOLET: never used"),
    Rule(r"fc\.(.+)", (r"classifiers.answers.\1", r"match_head.\1")),
    Rule(r"fc_(?:qaoe|qamc)_(.+?)\.(.+)", (r"classifiers.\1.\2",)),
    Rule(r"emb_task", ("task_embed.weight",)),
    Rule(r"enc_img\.emb_cls", ("frames.cls_token",)),
    Rule(r"enc_img\.emb_pos", ("frames.patch_embed",)),
    Rule(r"enc_img\.emb_len", ("frames.frame_embed",)),
    *swin_rules(r"enc_img\.swin\."),
    Rule(r"enc_img\.fc\.(.+)", (r"vision_proj.\1",)),
    Rule(r"enc_img\.norm\.(.+)", (r"frames.norm.\1",)),
    Rule(r"enc_txt\.emb_txt\.(.+)", (r"text.bert.embeddings.\1",)),
    Rule(r"trsfr\.(layer\..+)", (r"text.bert.encoder.\1",)),
    Rule(r"fc_mtm\.predictions\.bias", ("text.predictions.decoder.bias",)),
    Rule(r"fc_mtm\.predictions\.(.+)", (r"text.predictions.\1",)),
)
_OF_ANOTHER_TASK = Fill(TASK_HEADS, "fresh", "the checkpoint has no such head, or one of another size")

LAVENDER = Family(
    name="lavender",
    title="LAVENDER",
    signs=(*_SIGNS, r"fc_mtm\.predictions\..+"),
    rules=_RULES,
    target=LAVENDER_MODEL,
    derive=derive,
    needs=("vision.", "text.bert.", "text.predictions."),
    fills=(_OF_ANOTHER_TASK,),
)

LAVENDER_TASK = Family(
    name="lavender_task",
    title="LAVENDER with heads by task",
    signs=(*_SIGNS, r"fc\.3\.weight"),
    rules=_RULES,
    target=LAVENDER_MODEL,
    derive=derive_by_task,
    needs=("vision.", "text.bert."),
    fills=(_OF_ANOTHER_TASK, Fill(r"text\.predictions\..+", "fresh", "fine-tuning saved none")),
)

LAVENDER_BERT = Family(
    name="lavender_bert",
    title="BERT of Hugging Face, for LAVENDER",
    signs=BERT_SIGNS,
    rules=bert_rules((r"text.bert.\1",), (r"text.predictions.\1",)),
    target=LAVENDER_MODEL,
    derive=derive,
    needs=("text.bert.",),
    fills=(Fill(r"text\.predictions\..+", "fresh", "this BERT was saved without its head"),),
)
