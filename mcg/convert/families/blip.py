"""BLIP base, pre-trained on 14M pictures: text encoder and decoder (salesforce/BLIP, model_base_14M.pth).

MCG starts its QA from these (docs/facts/mcg_alpro.md 3.4): they replace the text encoder that it pre-trained, and the
decoder. Weights lie under `model`. Of the release MCG also took the temperature and both projections, by the chance of
equal names; we leave out vision_proj, which belongs to BLIP's own image encoder.
"""

from __future__ import annotations

from functools import partial

from mcg.convert.families.mcg_model import MCG_MODEL, derive
from mcg.convert.rules import POSITION_IDS, Family, Fill, Rule

BLIP = Family(
    name="blip",
    title="BLIP base",
    signs=(r"visual_encoder\.blocks\.0\..+", r"text_decoder\.bert\..+"),
    rules=(
        Rule(
            r".+_m\..+|(?:image|text)_queue|queue_ptr|.*ptr_queue", reason="momentum copies and queues of its training"
        ),
        Rule(r"visual_encoder\..+|vision_proj\..+", reason="BLIP's encoder of single images: ours sees clips"),
        Rule(r"text_(?:en|de)coder\.(?:bert\.)?embeddings\.(?:position_ids|token_type_ids)", reason=POSITION_IDS),
        Rule(r"text_encoder\.pooler\..+", reason="never used: [CLS] is read as it is"),
        Rule(r"(temp|(?:text_proj|itm_head)\.(?:weight|bias))", (r"\1",)),
        Rule(r"text_encoder\.((?:embeddings|encoder)\..+)", (r"text.bert.\1",)),
        Rule(r"text_decoder\.bert\.((?:embeddings|encoder)\..+)", (r"decoder.bert.bert.\1",)),
        Rule(r"text_decoder\.cls\.predictions\.(.+)", (r"decoder.bert.cls.predictions.\1",)),
    ),
    target=MCG_MODEL,
    derive=partial(derive, token_head="untied", headless="none"),
    needs=("text.bert.", "decoder."),
    fills=(Fill(r".+\.token_type_embeddings\.weight", "zeros", "BLIP has no token types"),),
    known=(
        (
            "blip-base-14m",
            "https://storage.googleapis.com/sfr-vision-language-research/BLIP/models/model_base_14M.pth",
            "model_base_14M.pth",
        ),
    ),
)
