"""The `init:` section of a config: released weights as the start of a run.

Sources are read one after the other, each over what came before: ViT, then BERT; or an MCG checkpoint by `init_from`
and BLIP's text encoder and decoder over it, as MCG does for QA. What no source gives stays as it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mcg.convert import FAMILIES
from mcg.convert.convert import Part, convert, detect
from mcg.convert.locate import locate
from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError
from mcg.model.mcg import MCG

Kind = Literal["auto", "mcg", "lavis_alpro", "alpro", "blip", "timesformer", "timm_vit", "bert"]


class InitSource(BaseModel):
    """One released checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: str = Field(min_length=1)
    """A file, a folder of Hugging Face or DeepSpeed, or a known name (bert-base-uncased), looked up in local caches."""
    kind: Kind = "auto"
    """Family of the checkpoint; auto tells it by its keys."""
    parts: tuple[Part, ...] | None = Field(default=None, min_length=1)
    """Parts of the model that are taken from it; None takes all that it has."""
    lenient: bool = False
    """Go on where keys are unexpected or missing."""


def initialise(model: MCG, vocab_size: int, sources: Sequence[InitSource]) -> list[str]:
    """Put released weights into a model; returns a line about each source. Raises ConvertError."""
    told = []
    for source in sources:
        released = read_checkpoint(locate(source.path))
        family = detect(released) if source.kind == "auto" else FAMILIES[source.kind]
        try:
            conversion = convert(released.state, family, model.config, vocab_size, source.parts)
        except ConvertError as error:
            raise ConvertError(f"{released.file}: {error}") from error
        if not source.lenient:
            conversion.check(str(released.file))
        if not conversion.state:
            raise ConvertError(f"{released.file}: {family.title} gives none of the parts {source.parts}")
        model.load_state_dict(conversion.state, strict=False)
        counts = conversion.counts()
        told.append(f"{len(conversion.state)} weights of {family.title} ({counts['dropped']} keys dropped)")
    return told
