"""LAVENDER (microsoft/LAVENDER, `ckpt_violet_*.pt`), and BERT as its start (docs/facts/lavender.md 4).

The released head for words has a bias under two names, and is not tied to the word embeddings.
"""

from __future__ import annotations

from mcg.convert.families.bert import BERT_SIGNS, bert_rules
from mcg.convert.families.lavender_model import LAVENDER_MODEL, derive
from mcg.convert.families.swin import swin_rules
from mcg.convert.rules import POSITION_IDS, Family, Fill, Rule

LAVENDER = Family(
    name="lavender",
    title="LAVENDER",
    signs=(r"enc_img\.emb_cls", r"trsfr\.layer\.0\.attention\.self\.query\.weight"),
    rules=(
        Rule(r"enc_txt\.emb_txt\.position_ids", reason=POSITION_IDS),
        Rule(r"enc_img\.emb_odr", reason="order of frames shuffled by VIOLET: never used"),
        Rule(r"fc\..+", reason="a head of pre-training that is never used"),
        Rule(r"emb_task", ("task_embed",)),
        Rule(r"enc_img\.emb_cls", ("cls_token",)),
        Rule(r"enc_img\.emb_pos", ("patch_embed",)),
        Rule(r"enc_img\.emb_len", ("frame_embed",)),
        *swin_rules(r"enc_img\.swin\."),
        Rule(r"enc_img\.fc\.(.+)", (r"vision_proj.\1",)),
        Rule(r"enc_img\.norm\.(.+)", (r"norm.\1",)),
        Rule(r"enc_txt\.emb_txt\.(.+)", (r"text.bert.embeddings.\1",)),
        Rule(r"trsfr\.(layer\..+)", (r"text.bert.encoder.\1",)),
        Rule(r"fc_mtm\.predictions\.bias", ("text.predictions.decoder.bias",)),
        Rule(r"fc_mtm\.predictions\.(.+)", (r"text.predictions.\1",)),
    ),
    target=LAVENDER_MODEL,
    derive=derive,
    needs=("vision.", "text.bert.", "text.predictions."),
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
