"""The `init:` section of a config: released weights as the start of a run. Loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcg.convert.families import FAMILIES
from mcg.convert.rules import Part

if TYPE_CHECKING:
    Kind = str
else:
    Kind = Literal["auto", *FAMILIES]


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
