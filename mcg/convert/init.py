"""Loading released weights into a model, as the `init:` section of a config says.

Sources are read one after the other, each over what came before: ViT, then BERT; or an MCG checkpoint by `init_from`
and BLIP's text encoder and decoder over it, as MCG does for QA. What no source gives stays as it was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from mcg.convert.config import InitSource
from mcg.convert.convert import convert, detect
from mcg.convert.families import FAMILIES, TARGETS
from mcg.convert.locate import locate
from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError


def initialise(model: nn.Module, config: Any, sources: Sequence[InitSource]) -> list[str]:
    """Put released weights into the model of a config; returns a line about each source. Raises ConvertError."""
    told = []
    for source in sources:
        released = read_checkpoint(locate(source.path))
        family = detect(released, TARGETS[config.name]) if source.kind == "auto" else FAMILIES[source.kind]
        try:
            conversion = convert(released.state, family, lambda _: model, config, source.parts)
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
