"""Tasks: one file per use of a dataset. To add one, write its file and name it here (docs/adding.md)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from mcg.tasks.multiple_choice import MultipleChoice, MultipleChoiceConfig
from mcg.tasks.open_qa import OpenQA, OpenQAConfig
from mcg.tasks.pretrain import Pretrain, PretrainConfig

TaskConfig = Annotated[PretrainConfig | OpenQAConfig | MultipleChoiceConfig, Field(discriminator="name")]
TASKS: dict[str, Any] = {"pretrain": Pretrain, "open_qa": OpenQA, "multiple_choice": MultipleChoice}
